// A log of arrivals as a file: one line each, `time,seconds,fleet`, in any order.
import type { Arrival } from './fleetWorld.ts'

const mostLines = 2_000_000

/** @param text times are seconds, or ISO 8601; lines that begin with # and a heading are passed over. @throws Error that names the line. */
export function readArrivals(text: string): Map<string, Arrival[]> {
  const lines = text.split(/\r?\n/)
  if (lines.length > mostLines)
    throw new Error(`A log may have ${mostLines} lines; this one has ${lines.length}.`)
  const byFleet = new Map<string, Arrival[]>()
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#') || line.startsWith('time,')) continue
    const [time = '', seconds = '', fleet = ''] = line.split(',').map((cell) => cell.trim())
    const atMs = /^[\d.]+$/.test(time) ? Number(time) * 1_000 : Date.parse(time)
    const durationMs = Number(seconds || 'none') * 1_000
    if (!Number.isFinite(atMs) || !(durationMs >= 0) || fleet === '')
      throw new Error(`Line ${i + 1} is not "time,seconds,fleet": ${line.slice(0, 80)}`)
    const arrivals = byFleet.get(fleet) ?? []
    arrivals.push({ atMs, durationMs })
    byFleet.set(fleet, arrivals)
  }
  for (const arrivals of byFleet.values()) arrivals.sort((a, b) => a.atMs - b.atMs)
  return byFleet
}

export function writeArrivals(byFleet: ReadonlyMap<string, readonly Arrival[]>): string {
  const lines = [...byFleet].flatMap(([fleet, arrivals]) =>
    arrivals.map(({ atMs, durationMs }) => `${atMs / 1_000},${durationMs / 1_000},${fleet}`),
  )
  return `${['time,seconds,fleet', ...lines].join('\n')}\n`
}
