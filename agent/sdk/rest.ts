// The SDK over REST, as gRPC's gateway gives it: one server for all ships, told by the connection which it is.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { heldMs, tooOften } from './allowance.ts'
import { mostMessageBytes, mostUnreadBytes } from './call.ts'
import { gameServerOf } from './gameServer.ts'
import { Gathering } from './gathering.ts'
import type { Message, Speaker } from './method.ts'
import { methods } from './methods.ts'
import { codes, SdkError } from './sdkError.ts'

const idleMs = 30_000
const pieceBytes = 1_024

export class RestSide {
  readonly #speakers = new WeakMap<Socket, Speaker>()
  readonly #server: Server
  /** On these a call was refused for coming too often. */
  readonly #spent = new WeakSet<Socket>()

  constructor() {
    this.#server = createServer({ maxHeaderSize: 8_192, keepAliveTimeout: idleMs }, (request, response) => {
      const speaker = this.#speakers.get(request.socket)
      if (!speaker || this.#spent.has(request.socket)) return void request.socket.destroy()
      if (!speaker.allowance.take()) return this.#hold(request.socket, () => refuse(response, tooOften()))
      this.#answer(speaker, request, response).catch((error: unknown) => refuse(response, error))
    })
    this.#server.on('clientError', (_, socket) => socket.destroy())
  }

  connected(socket: Socket, speaker: Speaker): void {
    this.#speakers.set(socket, speaker)
    socket.setTimeout(idleMs, () => socket.destroy())
    this.#server.emit('connection', socket)
    inPieces(socket, speaker)
  }

  #hold(socket: Socket, refuseIt: () => void): void {
    this.#spent.add(socket)
    setTimeout(refuseIt, heldMs).unref()
  }

  async #answer(speaker: Speaker, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gathering = new Gathering(speaker.bounds)
    try {
      await this.#serve(speaker, request, response, gathering)
    } finally {
      gathering.release()
    }
  }

  async #serve(
    speaker: Speaker,
    request: IncomingMessage,
    response: ServerResponse,
    gathering: Gathering,
  ): Promise<void> {
    const [path = ''] = (request.url ?? '').split('?')
    const verb = request.method ?? ''
    if (verb === 'GET' && path === '/watch/gameserver') return watch(speaker, response)
    const body = await bodyOf(request, gathering)
    if (verb === 'POST' && path === '/health') {
      speaker.line.ping()
      return give(response, {})
    }
    const here = methods.filter((method) => method.path.test(path))
    const method = here.find((one) => one.verb === verb)
    if (!method) {
      if (here.length === 0) throw new SdkError('NOT_FOUND', `there is no ${path}`)
      throw new SdkError('UNIMPLEMENTED', `${path} takes ${here.map((one) => one.verb).join(', ')}`)
    }
    const asked = body()
    const name = decoded(method.path.exec(path)?.[1] ?? '')
    give(response, await method.run(speaker, method.request?.(asked, name) ?? asked))
  }
}

/**
 * Node reads 64 KB at once, and its parser calls for each request in it before anything else has its turn: some thousand
 * short ones. In pieces, the first that is too many ends them.
 */
function inPieces(socket: Socket, { bounds }: Speaker): void {
  const [feed] = socket.listeners('data') as ((data: Buffer) => void)[]
  if (!feed) return
  socket.off('data', feed)
  socket.on('data', (data: Buffer) => {
    bounds.heard(data.length)
    for (let at = 0; at < data.length && !socket.destroyed; at += pieceBytes)
      feed.call(socket, data.subarray(at, at + pieceBytes))
  })
}

async function watch({ line, probe }: Speaker, response: ServerResponse): Promise<void> {
  const first = await line.self()
  if (response.destroyed) return
  const show = (self: typeof first) => {
    if (response.writableLength > mostUnreadBytes) response.destroy()
    else response.write(`${JSON.stringify({ result: gameServerOf(self, probe) })}\n`)
  }
  response.once('close', line.watch(show))
  response.socket?.setTimeout(0)
  response.writeHead(200, { 'content-type': 'application/json' })
  show(first)
}

/** @throws SdkError, also when what is returned is called and the body is no JSON object. */
async function bodyOf(request: IncomingMessage, gathering: Gathering): Promise<() => Message> {
  for await (const part of request) {
    if (gathering.length + (part as Buffer).length > mostMessageBytes)
      throw new SdkError('INVALID_ARGUMENT', `at most ${mostMessageBytes} bytes are taken`)
    gathering.add(part as Buffer)
  }
  return () => {
    const text = gathering.bytes.toString('utf8').trim()
    if (text === '') return {}
    try {
      const value: unknown = JSON.parse(text)
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Message
    } catch {
      // Told below, together with JSON that is no object.
    }
    throw new SdkError('INVALID_ARGUMENT', 'the body must be a JSON object')
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function give(response: ServerResponse, message: Message, status = 200): void {
  const text = JSON.stringify(message)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

function refuse(response: ServerResponse, error: unknown): void {
  const { code, message } = SdkError.from(error)
  if (response.headersSent || response.destroyed) return void response.destroy()
  // Whatever is left of the request is not read.
  response.setHeader('connection', 'close')
  give(response, { code: codes[code].number, message, details: [] }, codes[code].status)
}
