// A load generator in a process of its own: GETs over kept connections, one at a time on each, as fast as answers come.
//
// On bare sockets, because on two cores every microsecond of the generator is taken from the server: undici
// takes some 50 µs a request, this a tenth of it.
import { connect } from 'node:net'

export interface LoadOrder {
  port: number
  token: string
  /** Asked for in turn. */
  paths: string[]
  connections: number
  seconds: number
}

export interface LoadResult {
  count: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** Answers other than 200, and connections that broke. */
  failures: number
}

process.once('message', async (order: LoadOrder) => {
  process.send?.(await load(order))
  process.disconnect?.()
})

async function load({ port, token, paths, connections, seconds }: LoadOrder): Promise<LoadResult> {
  const requests = paths.map((path) =>
    Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`),
  )
  const latencies: number[] = []
  let failures = 0
  let next = 0
  const startMs = performance.now()
  const endMs = startMs + seconds * 1_000
  await Promise.all(Array.from({ length: connections }, drive))
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN
  const perSecond = latencies.length / ((performance.now() - startMs) / 1_000)
  return { count: latencies.length, perSecond, p50Ms: at(0.5), p99Ms: at(0.99), failures }

  function drive(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true })
      let pending: Buffer = Buffer.alloc(0)
      let sentMs = 0
      const send = () => {
        sentMs = performance.now()
        socket.write(requests[next++ % requests.length] as Buffer)
      }
      socket.on('connect', send)
      socket.on('data', (chunk) => {
        pending = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk
        const length = lengthOf(pending)
        if (length === undefined || pending.length < length) return
        const nowMs = performance.now()
        latencies.push(nowMs - sentMs)
        if (pending.toString('latin1', 9, 12) !== '200') failures++
        pending = pending.subarray(length)
        if (nowMs < endMs) send()
        else socket.end(resolve)
      })
      socket.on('error', () => {
        failures++
        resolve()
      })
    })
  }
}

/** Bytes of the answer that begins here; undefined while its head is not whole. */
function lengthOf(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const length = /content-length: (\d+)/i.exec(bytes.toString('latin1', 0, end))?.[1]
  if (length === undefined) throw new Error('an answer without a length')
  return end + 4 + Number(length)
}
