// The HTTP server around the app: what clients may do to it, and how it leaves without cutting anybody off.
//
// INVARIANTS
// - Every wait on a client has a limit: for its handshake, its headers, its body, its next request.
// - What is no request, or one that the app never sees, is answered with a problem document too.
// - Once it is stopping, every answer closes its connection; what arrived before is answered.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  STATUS_CODES,
} from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { ArmadaError, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { sleep } from '../shared/loop.ts'
import type { Certificate } from './certificate.ts'
import { maxBodyBytes } from './middleware/json.ts'
import { restOf } from './middleware/linger.ts'
import { problemOf } from './middleware/problems.ts'
import type { PlainHandler } from './services/plain/plainWay.ts'

export interface HttpServerOptions {
  fetch: Parameters<typeof getRequestListener>[0]
  /** Asked before `fetch`. */
  plain?: PlainHandler
  host: string
  port: number
  /** Without one it speaks plain HTTP. */
  certificate?: Certificate | undefined
  /** How long a request may take to arrive, headers and body. */
  requestMs?: number
  /** How long a client may take nothing of an answer that is there for it. */
  stallMs?: number
  /** How long a connection is kept open between two requests. */
  keepAliveMs?: number
  maxConnections?: number
  log: Log
}

export interface StopOptions {
  /** How long connections are still taken, so that a load balancer can find out that this server is leaving. */
  delayMs: number
  /** How long requests under way may then take. */
  limitMs: number
  /** Called when no more connections are taken: ends what would go on for ever. */
  onClosed(): void
}

export class HttpServer {
  readonly #server: Server | TlsServer
  /**
   * By connection. Not one Set of them all: V8 keeps a table that a Set has outgrown together with the next one, and so
   * on, until it collects old memory. Half of all answers stood in one of those, and outlived their requests by seconds.
   */
  readonly #underWay = new Map<Socket, ServerAnswer[]>()
  readonly #log: Log
  #stopping = false
  #dropped = 0

  private constructor(server: Server | TlsServer, log: Log) {
    this.#server = server
    this.#log = log
  }

  /** Resolves when it listens. */
  static async start(options: HttpServerOptions): Promise<HttpServer> {
    const { fetch, plain = () => false, host, port, certificate, log } = options
    const { requestMs = 20_000, stallMs = 60_000, keepAliveMs = 75_000, maxConnections = 10_000 } = options
    const limits = {
      requestTimeout: requestMs,
      headersTimeout: Math.min(requestMs, 10_000),
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: Math.min(requestMs, 1_000),
      maxHeaderSize: 16 * 1024,
      insecureHTTPParser: false,
    }
    const fetching = getRequestListener(fetch, { hostname: host, errorHandler: unreadable })
    const listener: RequestListener = (incoming, outgoing) => {
      const longWay = () => void fetching(incoming, outgoing)
      if (!plain(incoming, outgoing, longWay)) longWay()
    }
    const server = certificate
      ? createTlsServer(
          { ...limits, ...certificate.current, minVersion: 'TLSv1.2', handshakeTimeout: 10_000 },
          listener,
        )
      : createServer(limits, listener)
    const http = new HttpServer(server, log)
    certificate?.onChange((pair) =>
      (server as TlsServer).setSecureContext({ ...pair, minVersion: 'TLSv1.2' }),
    )
    server.maxConnections = maxConnections
    // Node would leave out what comes after the 2,000th: a body's length, for instance. The 16 KiB are limit enough.
    server.maxHeadersCount = 0
    server.timeout = stallMs
    http.#watch()
    server.listen(port, host)
    await once(server, 'listening')
    // Too few file descriptors for a connection, for instance: no reason to end.
    server.on('error', (error) => log.warn({ error: messageOf(error) }, 'the server had an error'))
    return http
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Open just now. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
    })
  }

  /** Resolves when every connection is closed. */
  async stop({ delayMs, limitMs, onClosed }: StopOptions): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#stopping = true
    for (const answers of this.#underWay.values()) answers.forEach(closeAfter)
    // Also without a delay: what has reached this machine by now is read before idle connections are closed.
    await sleep(Math.max(delayMs, 20))
    this.#server.close()
    onClosed()
    const over = new AbortController()
    void this.#closeIdle(over.signal)
    await Promise.race([closed, sleep(limitMs, over.signal)])
    over.abort()
    this.#server.closeAllConnections()
    await closed
  }

  /** Answers that had begun before it was stopping do not close their connections by themselves. */
  async #closeIdle(signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await sleep(50, signal)) this.#server.closeIdleConnections()
  }

  #watch(): void {
    const server = this.#server
    server.prependListener('request', ({ socket }: IncomingMessage, answer: ServerAnswer) => {
      if (this.#stopping) closeAfter(answer)
      const answers = this.#underWay.get(socket) ?? this.#begin(socket)
      answers.push(answer)
      answer.once('close', () => answers.splice(answers.indexOf(answer), 1))
    })
    // Nothing has moved for a while: a stream may be silent, but who does not read what was sent is let go.
    server.on('timeout', (socket: Socket) => {
      const isWaiting = this.#underWay.get(socket)?.some((answer) => answer.socket === socket)
      if (!isWaiting || socket.writableLength > 0) socket.destroy()
    })
    // A body that its length alone rules out is not even asked for.
    server.on('checkContinue', (request: IncomingMessage, answer: ServerAnswer) => {
      if (!(Number(request.headers['content-length']) > maxBodyBytes)) answer.writeContinue()
      server.emit('request', request, answer)
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      const isSilent = error.code === 'ECONNRESET' || !socket.writable
      const answers = this.#underWay.get(socket)
      const hasBegun = answers?.some((answer) => answer.socket === socket && answer.headersSent)
      if (isSilent || hasBegun) return void socket.destroy()
      this.#refuse(socket, whatIsWrong(error))
    })
    server.on('connect', (request: IncomingMessage, socket: Duplex) => {
      this.#refuse(socket, new ArmadaError('method_not_allowed', `Nothing answers ${request.method}.`))
    })
    server.on('drop', () => {
      if (this.#dropped++ % 1_000 === 0)
        this.#log.warn({ dropped: this.#dropped }, 'connections are turned away: there are too many')
    })
  }

  #begin(socket: Socket): ServerAnswer[] {
    const answers: ServerAnswer[] = []
    this.#underWay.set(socket, answers)
    socket.once('close', () => this.#underWay.delete(socket))
    return answers
  }

  #refuse(socket: Duplex, error: ArmadaError): void {
    const requestId = randomUUID()
    const { text, headers } = problemOf(error, requestId)
    headers.set('content-length', String(Buffer.byteLength(text)))
    headers.set('connection', 'close')
    headers.set('x-request-id', requestId)
    const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const address = (socket as Partial<IncomingMessage['socket']>).remoteAddress
    this.#log.info({ requestId, address, status: error.status, error: error.message }, 'refused unread')
    socket.on('error', () => undefined)
    socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines}\r\n${text}`)
    void restOf(socket).then(() => socket.destroy())
  }
}

type ServerAnswer = Parameters<RequestListener>[1]

function closeAfter(answer: ServerAnswer): void {
  if (!answer.headersSent) answer.shouldKeepAlive = false
}

function whatIsWrong({ code, message }: NodeJS.ErrnoException): ArmadaError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ArmadaError('request_timeout', 'The request took too long to arrive. Send it again.')
    case 'HPE_HEADER_OVERFLOW':
      return new ArmadaError('headers_too_large', 'The address and headers may have at most 16 KiB together.')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new ArmadaError('body_too_large', 'The chunks of the body carry too much beside it.')
    default:
      return new ArmadaError('invalid_request', `This is not HTTP/1.1: ${message}.`)
  }
}

/** The answer to a request whose address or Host header cannot be read, so that the app never sees it. */
function unreadable(error: unknown): Response {
  const requestId = randomUUID()
  const known = error instanceof Error && error.name === 'RequestError'
  const problem = known
    ? new ArmadaError('invalid_request', `The request cannot be read: ${error.message}.`)
    : new ArmadaError('internal', 'The request could not be answered.')
  const { text, headers } = problemOf(problem, requestId)
  headers.set('x-request-id', requestId)
  return new Response(text, { status: problem.status, headers })
}
