// A load generator in a process of its own: allocations over kept connections, as fast as they come or at a pace.
//
// On bare sockets, because on two cores every microsecond of the generator is taken from the servers. With a pace the
// time counts from when a request was due, so that a server that stands still is not spared what it kept waiting.
import { connect } from 'node:net'

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
  const { ports, token, body, clients, perSecond, seconds, most, keys } = order
  const latencies: number[] = []
  const statuses: Record<string, number> = {}
  const given: AllocationResult['given'] = []
  const refusedAtMs: number[] = []
  let broken = 0
  let sent = 0
  const startMs = performance.now()
  const endMs = startMs + seconds * 1_000
  await Promise.all(Array.from({ length: clients }, (_, i) => drive(i)))
  const lastMs = performance.now()
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN
  const rate = latencies.length / ((lastMs - startMs) / 1_000)
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

  async function drive(client: number): Promise<void> {
    for (let next = due(); next; next = due()) {
      const waitMs = next.atMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      for (let tries = 0; ; tries++) {
        const port = ports[(client + tries) % ports.length] as number
        const answer = await ask(port, keys ? `load-${process.pid}-${next.number}` : undefined)
        if (answer && answer.status < 500) {
          const nowMs = performance.now()
          latencies.push(nowMs - next.atMs)
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
          if (answer.status === 429) refusedAtMs.push(nowMs)
          const ids = answer.text.matchAll(/"id":"([^"]+)"/g)
          if (answer.status === 201)
            for (const [, id] of ids) given.push({ id: id as string, askedAtMs: next.atMs })
          break
        }
        broken++
        if (!keys || performance.now() > endMs + 30_000) break
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    sockets.get(client)?.end()

    function ask(port: number, key?: string): Promise<{ status: number; text: string } | undefined> {
      return new Promise((resolve) => {
        let pending: Buffer = Buffer.alloc(0)
        let socket = sockets.get(client)
        if (!socket || socket.destroyed || socket.remotePort !== port) {
          socket?.destroy()
          socket = connect({ host: '127.0.0.1', port, noDelay: true })
          sockets.set(client, socket)
        }
        const done = (answer?: { status: number; text: string }) => {
          clearTimeout(timer)
          socket.removeAllListeners()
          socket.on('error', () => undefined)
          if (!answer) socket.destroy()
          resolve(answer)
        }
        const timer = setTimeout(done, 10_000)
        socket.on('error', () => done())
        socket.on('close', () => done())
        socket.on('data', (chunk) => {
          pending = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk
          const end = pending.indexOf('\r\n\r\n')
          if (end < 0) return
          const length = /content-length: (\d+)/i.exec(pending.toString('latin1', 0, end))?.[1]
          if (pending.length < end + 4 + Number(length)) return
          done({ status: Number(pending.toString('latin1', 9, 12)), text: pending.toString('utf8', end + 4) })
        })
        socket.write(
          `POST /v1/allocations HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
            `Content-Type: application/json\r\n${key ? `Idempotency-Key: ${key}\r\n` : ''}` +
            `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        )
      })
    }
  }
}

const sockets = new Map<number, ReturnType<typeof connect>>()
