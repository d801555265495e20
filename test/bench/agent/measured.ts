// What a process takes, by the kernel's own count, and what its heap holds once all garbage is collected.
import { readdirSync, readFileSync } from 'node:fs'
import { WebSocket } from 'undici'

/** CPU that a process has used so far; the kernel counts in hundredths of a second. */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

export function rssMiBOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1]) / 1_024
}

/** Files, sockets and pipes that a process holds open. */
export function openFilesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

export interface Held {
  /** In use on the heap after a full collection. */
  heapMiB: number
  /** Timers, sockets, requests and the like that keep the process alive. */
  resources: number
}

/** What a process holds that was started with `--inspect` on this port. */
export async function heldBy(inspectPort: number): Promise<Held> {
  const targets = await (await fetch(`http://127.0.0.1:${inspectPort}/json`)).json()
  const [target] = targets as { webSocketDebuggerUrl: string }[]
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  let id = 0
  const ask = <Answer>(method: string, params = {}) =>
    new Promise<Answer>((resolve) => {
      const mine = ++id
      socket.addEventListener('message', ({ data }) => {
        const answer = JSON.parse(String(data))
        if (answer.id === mine) resolve(answer.result)
      })
      socket.send(JSON.stringify({ id: mine, method, params }))
    })
  try {
    // What finalizers let go of in the first is collected in the second.
    await ask('HeapProfiler.collectGarbage')
    await ask('HeapProfiler.collectGarbage')
    const { usedSize } = await ask<{ usedSize: number }>('Runtime.getHeapUsage')
    const expression = 'process.getActiveResourcesInfo().length'
    const { result } = await ask<{ result: { value: number } }>('Runtime.evaluate', { expression })
    return { heapMiB: usedSize / 1_024 / 1_024, resources: result.value }
  } finally {
    socket.close()
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Of the line through the points that misses them least, by squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return over / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}
