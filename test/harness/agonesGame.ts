// A gameserver for tests that speaks through the official Agones SDK, unmodified, and does what a test tells it.
import { ArmadaError } from '../../shared/errors.ts'

export const agonesGamePackages = ['@google-cloud/agones-sdk'] as const

/** Runs inside the container. POST / takes `{do, args}` and gives `{gave, ms}` or `{code, message}`. */
export const agonesGame = `
const http = require('node:http')
const net = require('node:net')
const AgonesSDK = require('@google-cloud/agones-sdk')
const sdk = new AgonesSDK()
const seen = []
let pings
const own = {
  startPings: (everyMs) => { clearInterval(pings); pings = setInterval(() => sdk.health(() => undefined), everyMs) },
  stopPings: () => clearInterval(pings),
  watch: () => sdk.watchGameServer((gameServer) => seen.push(gameServer), () => undefined),
  seen: () => seen,
  env: () => process.env,
  nothing: () => undefined,
  rest: async (method, path, body, port = process.env.AGONES_SDK_HTTP_PORT) => {
    const json = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const answer = await fetch('http://localhost:' + port + path, { method, body: json })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
  },
  flood: async (calls) => {
    const results = await Promise.allSettled(Array.from({ length: calls }, () => sdk.getGameServer()))
    const done = results.filter((one) => one.status === 'fulfilled').length
    return { done, refused: results.filter((one) => one.reason?.code === 8).length }
  },
  /** How many connections could be opened, one after the other, until one was refused. */
  storm: async (most) => {
    const port = Number(process.env.AGONES_SDK_HTTP_PORT)
    for (let opened = 0; opened < most; opened++) {
      const socket = net.connect(port, '127.0.0.1')
      const isOpen = await new Promise((told) => {
        socket.once('connect', () => told(true)).on('error', () => told(false))
      })
      socket.destroy()
      if (!isOpen) return opened
    }
    return most
  },
  restWatch: async (count) => {
    const answer = await fetch('http://localhost:' + process.env.AGONES_SDK_HTTP_PORT + '/watch/gameserver')
    let text = ''
    for await (const part of answer.body) {
      text += Buffer.from(part).toString()
      const lines = text.split('\\n').slice(0, -1)
      if (lines.length >= count) return lines.map((line) => JSON.parse(line).result)
    }
  },
}
const server = http.createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += part
  try {
    const { do: what, args } = JSON.parse(text)
    const [name, of = own[name] ? own : sdk] = what.split('.').reverse().map((one, i) => (i ? sdk[one] : one))
    const beganMs = performance.now()
    const gave = await of[name](...args)
    response.end(JSON.stringify({ gave: gave ?? null, ms: performance.now() - beganMs }))
  } catch (error) {
    response.statusCode = 500
    response.end(JSON.stringify({ code: error.code ?? null, message: String(error.details ?? error.message) }))
  }
})
server.listen(Number(process.env.ARMADA_PORT_DRIVE), '0.0.0.0')
process.on('SIGTERM', () => process.exit(0))
process.on('uncaughtException', (error) => console.log('uncaught', error.message))
if (process.argv[2]) setTimeout(() => sdk.connect().then(() => sdk.ready()), Number(process.argv[2]))
`

export class AgonesGame {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the SDK gives
  async do(what: string, ...args: unknown[]): Promise<any> {
    return (await this.timed(what, ...args)).gave
  }

  async timed(what: string, ...args: unknown[]): Promise<{ gave: unknown; ms: number }> {
    const body = JSON.stringify({ do: what, args })
    const signal = AbortSignal.timeout(40_000)
    const answer = await fetch(this.#url, { method: 'POST', body, signal })
    const told = (await answer.json()) as { gave: unknown; ms: number; code: number; message: string }
    if (answer.ok) return told
    throw Object.assign(new ArmadaError('internal', `${what}: ${told.message}`), { grpc: told.code })
  }

  /** It may have ended before it can say that it was told. */
  async shutDown(): Promise<void> {
    await this.do('shutdown').catch(() => undefined)
  }

  /** gRPC's number of the error that the call ends with; 0 when it succeeds. */
  async codeOf(what: string, ...args: unknown[]): Promise<number> {
    return this.do(what, ...args).then(
      () => 0,
      (error: { grpc?: number }) => error.grpc ?? -1,
    )
  }
}
