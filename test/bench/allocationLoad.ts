// A load generator in a process of its own: allocations over kept connections, as fast as they come or at a pace.
//
// On bare sockets, because on two cores every microsecond of the generator is taken from the servers. With a pace the
// time counts from when a request was due, so that a server that stands still is not spared what it kept waiting.
import { connect, type Socket } from 'node:net'

export interface AllocationOrder {
  ports: number[]
  token: string
  body: string
  /** Over all ports; each has one request under way at a time. */
  clients: number
  /** Requests a second; undefined: as fast as answers come. */
  perSecond?: number
  seconds: number
  /** Stops after so many. */
  most: number
  /** Sends an Idempotency-Key of its own with each, and again whatever got no answer. */
  keys: boolean
}

export interface AllocationResult {
  count: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  statuses: Record<string, number>
  /** Ids of the allocations that were answered, with when each was asked for. */
  given: { id: string; askedAtMs: number }[]
  /** When each 429 came. */
  refusedAtMs: number[]
  /** Connections that broke, and answers 5xx. */
  broken: number
}

process.once('message', async (order: AllocationOrder) => {
  process.send?.(await load(order))
})

async function load(order: AllocationOrder): Promise<AllocationResult> {
  const { clients, perSecond, seconds, most, keys } = order
  const latencies: number[] = []
  const statuses: Record<string, number> = {}
  /** Read only when all is over. */
  const answers: { text: string; askedAtMs: number }[] = []
  const refusedAtMs: number[] = []
  let broken = 0
  let sent = 0
  const all = Array.from({ length: clients }, (_, i) => new Client(order, i))
  // A generator that is just being compiled would be late by itself, by some tenths of a second.
  await Promise.all(all.map((client) => client.warmUp()))
  const startMs = performance.now()
  const endMs = startMs + seconds * 1_000
  await Promise.all(all.map(drive))
  const lastMs = performance.now()
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN
  const rate = latencies.length / ((lastMs - startMs) / 1_000)
  const given = answers.flatMap(({ text, askedAtMs }) =>
    [...text.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => ({ id: id as string, askedAtMs })),
  )
  return {
    ...{ count: latencies.length, perSecond: rate, p50Ms: at(0.5), p99Ms: at(0.99) },
    ...{ statuses, given, refusedAtMs, broken },
  }

  /** When the next request is due; undefined: there is none. */
  function due(): { number: number; atMs: number } | undefined {
    if (sent >= most) return undefined
    const atMs = perSecond === undefined ? performance.now() : startMs + (sent * 1_000) / perSecond
    return atMs >= endMs ? undefined : { number: sent++, atMs }
  }

  async function drive(client: Client): Promise<void> {
    for (let next = due(); next; next = due()) {
      const waitMs = next.atMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      for (let tries = 0; ; tries++) {
        const answer = await client.ask(tries, keys ? `load-${process.pid}-${next.number}` : undefined)
        if (answer && answer.status < 500) {
          const { status, text } = answer
          const nowMs = performance.now()
          latencies.push(nowMs - next.atMs)
          statuses[status] = (statuses[status] ?? 0) + 1
          if (status === 429) refusedAtMs.push(nowMs)
          if (status === 201) answers.push({ text, askedAtMs: next.atMs })
          break
        }
        broken++
        if (!keys || performance.now() > endMs + 30_000) break
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    client.close()
  }
}

interface Answer {
  status: number
  text: string
}

/** One connection, to the client's own port; what is tried again goes to the next one. */
class Client {
  readonly #order: AllocationOrder
  readonly #number: number
  #socket: Socket | undefined
  #port = 0
  #pending: Buffer = Buffer.alloc(0)
  #done: ((answer: Answer | undefined) => void) | undefined

  constructor(order: AllocationOrder, number: number) {
    this.#order = order
    this.#number = number
  }

  async warmUp(): Promise<void> {
    for (let i = 0; i < 50; i++) await this.#send(0, 'GET /healthz', '\r\n')
  }

  /** Undefined: no answer within 10 s, or a broken connection. */
  ask(tries: number, key?: string): Promise<Answer | undefined> {
    const { token, body } = this.#order
    return this.#send(
      tries,
      'POST /v1/allocations',
      `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
        `${key ? `Idempotency-Key: ${key}\r\n` : ''}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }

  /** @param rest headers after the first one, and the body. */
  #send(tries: number, request: string, rest: string): Promise<Answer | undefined> {
    const { ports } = this.#order
    const port = ports[(this.#number + tries) % ports.length] as number
    const socket = this.#connected(port)
    return new Promise((resolve) => {
      this.#done = resolve
      socket.write(`${request} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${rest}`)
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #connected(port: number): Socket {
    if (this.#socket && !this.#socket.destroyed && this.#port === port) return this.#socket
    this.close()
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#socket = socket
    this.#port = port
    this.#pending = Buffer.alloc(0)
    socket.setTimeout(10_000, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket === socket) this.#answer(undefined)
    })
    socket.on('data', (chunk) => this.#read(chunk))
    return socket
  }

  #read(chunk: Buffer): void {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk
    const end = this.#pending.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = /content-length: (\d+)/i.exec(this.#pending.toString('latin1', 0, end))?.[1]
    if (this.#pending.length < end + 4 + Number(length)) return
    const status = Number(this.#pending.toString('latin1', 9, 12))
    const text = this.#pending.toString('utf8', end + 4)
    this.#pending = Buffer.alloc(0)
    this.#answer({ status, text })
  }

  #answer(answer: Answer | undefined): void {
    const done = this.#done
    this.#done = undefined
    done?.(answer)
  }
}
