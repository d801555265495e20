// A load balancer for tests: every request goes to the next ApiServer, also those of one connection.
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Dispatcher, Pool } from 'undici'
import { messageOf } from '../../shared/errors.ts'

/** What belongs to one connection, and is not passed on. */
const ofConnection = new Set(['connection', 'keep-alive', 'transfer-encoding', 'expect', 'upgrade'])

export class LoadBalancer {
  readonly #server: Server
  readonly #targets: readonly Pool[]
  #turn = 0
  /** Requests that each target was given. */
  readonly given: number[]

  private constructor(targets: readonly string[]) {
    // No limits of its own: streams stay open, and long answers are what is tested.
    const options = { keepAliveTimeout: 1_000, headersTimeout: 0, bodyTimeout: 0 }
    this.#targets = targets.map((target) => new Pool(target, options))
    this.given = targets.map(() => 0)
    this.#server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing))
    this.#server.requestTimeout = 0
  }

  static async start(targets: readonly string[]): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(targets)
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    await Promise.all(this.#targets.map((target) => target.destroy()))
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chosen = this.#turn++ % this.#targets.length
    this.given[chosen] = (this.given[chosen] ?? 0) + 1
    const gone = new AbortController()
    outgoing.once('close', () => gone.abort())
    try {
      // Whole, because a server that answers before it has read everything would end the stream, and with it the
      // connection that the caller uses again.
      const body = Buffer.concat(await incoming.toArray())
      const answer = await (this.#targets[chosen] as Pool).request({
        method: incoming.method as Dispatcher.HttpMethod,
        // As it came: URL objects would tidy up what hostile callers send.
        path: incoming.url ?? '/',
        headers: passed(incoming.headers),
        body: body.length > 0 ? body : null,
        // A server that refuses a large body without reading it closes the connection a little later.
        reset: body.length > 16_384,
        signal: gone.signal,
      })
      outgoing.writeHead(answer.statusCode, passed(answer.headers))
      outgoing.flushHeaders()
      answer.body.on('error', () => outgoing.destroy())
      answer.body.pipe(outgoing)
    } catch (error) {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502).end(messageOf(error))
    }
  }
}

function passed(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.has(name)))
}
