// HTTP spoken by hand: bytes as they are, also those that no client would send.
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface RawAnswer {
  status: number
  headers: Map<string, string>
  text: string
  /** From the last byte that was sent to the last one of the answer. */
  ms: number
}

export class RawHttp {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #wake: () => void = () => undefined
  #sentAtMs = 0
  closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (data) => {
      this.#received = Buffer.concat([this.#received, data])
      this.#wake()
    })
    socket.on('error', () => undefined)
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.closed = true
        this.#wake()
      })
    }
  }

  static async open(port: number): Promise<RawHttp> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new RawHttp(socket)
  }

  /** Resolves when it is on its way; false when the other side takes no more. */
  async send(bytes: string | Buffer): Promise<boolean> {
    if (this.#socket.destroyed || this.#socket.writableEnded) return false
    this.#sentAtMs = performance.now()
    const taken = this.#socket.write(bytes, () => {
      this.#sentAtMs = performance.now()
    })
    if (taken) return true
    await new Promise<void>((resolve) => {
      const go = () => {
        this.#socket.off('drain', go).off('close', go)
        resolve()
      }
      this.#socket.on('drain', go).on('close', go)
    })
    return !this.#socket.destroyed
  }

  /** No more comes from this side. */
  end(): void {
    this.#socket.end()
  }

  /** The next answer; undefined when the connection ended without one. @throws when none comes in time. */
  async answer(limitMs = 10_000, withBody = true): Promise<RawAnswer | undefined> {
    for (const endMs = performance.now() + limitMs; ; ) {
      const answer = this.#take(withBody)
      if (answer) return { ...answer, ms: performance.now() - this.#sentAtMs }
      if (this.closed) return undefined
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) throw new Error(`no answer within ${limitMs} ms`)
      const over = new AbortController()
      const rung = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await Promise.race([rung, delay(leftMs, undefined, { signal: over.signal }).catch(() => undefined)])
      over.abort()
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(withBody: boolean): Omit<RawAnswer, 'ms'> | undefined {
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd === -1) return undefined
    const [first = '', ...lines] = this.#received.subarray(0, headEnd).toString('latin1').split('\r\n')
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const end = headEnd + 4 + (withBody ? Number(headers.get('content-length') ?? 0) : 0)
    if (this.#received.length < end) return undefined
    const text = this.#received.subarray(headEnd + 4, end).toString()
    this.#received = this.#received.subarray(end)
    return { status: Number(first.split(' ')[1]), headers, text }
  }
}

/** One request on a connection of its own. */
export async function askOnce(
  port: number,
  bytes: string | Buffer,
  limitMs?: number,
): Promise<RawAnswer | undefined> {
  const connection = await RawHttp.open(port)
  try {
    await connection.send(bytes)
    return await connection.answer(limitMs)
  } finally {
    connection.close()
  }
}
