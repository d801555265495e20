// npm run bench:replay -- [LOG] [options]: a log of arrivals against policies, in simulated time, by the product's own
// decider. Without a log: a day that is made from a seed.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { table } from '../../../infra/screen.ts'
import { Autoscale, askedBy } from '../../../shared/model/autoscale.ts'
import { readArrivals, writeArrivals } from './arrivalLog.ts'
import { type Outcome, play } from './fleetWorld.ts'
import { exampleDay } from './noise.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    policies: { type: 'string', default: join(import.meta.dirname, 'policies.json') },
    start: { type: 'string', default: '20' },
    patience: { type: 'string', default: '15' },
    'per-host': { type: 'string', default: '10' },
    seed: { type: 'string', default: '7' },
    make: { type: 'string' },
    why: { type: 'boolean', default: false },
  },
})

const day = exampleDay(amount('seed'))
if (values.make) writeFileSync(values.make, writeArrivals(day))
else replay()

function replay(): void {
  const [log] = positionals
  const arrivals = log ? readArrivals(readFileSync(log, 'utf8')) : day
  const policies = z.record(z.string(), Autoscale).parse(JSON.parse(readFileSync(values.policies, 'utf8')))
  const rows: string[][] = []
  for (const [fleet, some] of arrivals) {
    for (const [name, autoscale] of Object.entries(policies)) {
      if (askedBy(autoscale).length > 0)
        throw new Error(`"${name}" asks a webhook: there is none in simulated time.`)
      const outcome = play(some, {
        ...{ autoscale, startMs: 1_000 * amount('start'), patienceMs: 1_000 * amount('patience') },
        shipsPerHost: amount('per-host'),
      })
      rows.push([fleet, name, ...figures(outcome)])
      if (values.why)
        for (const { atMs, replicas, why } of outcome.line)
          print(`${when(atMs)} ${fleet} ${replicas}: ${why}`)
    }
  }
  const heading = [
    'ARRIVALS',
    'MISSED',
    'WAIT P50',
    'P95',
    'MAX',
    'SHIP-H',
    'HOST-H',
    'USED',
    'MOST',
    'CHANGES',
    'TURNS',
  ]
  print(table(['FLEET', 'POLICY', ...heading], rows))
  print(
    `\n  Ships start in ${values.start} s, take one session each, ${values['per-host']} to a host; sessions wait ${values.patience} s at most.`,
  )
}

function figures({
  arrivals,
  missed,
  waitsMs,
  shipMs,
  hostMs,
  usedMs,
  most,
  changes,
  turns,
}: Outcome): string[] {
  const sorted = waitsMs.toSorted((a, b) => a - b)
  const at = (share: number) =>
    `${((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) / 1_000).toFixed(1)} s`
  const hours = (ms: number) => (ms / 3_600_000).toFixed(0)
  const used = `${Math.round((100 * usedMs) / Math.max(1, shipMs))}%`
  const counts = [most, changes, turns].map(String)
  return [
    String(arrivals),
    String(missed),
    at(0.5),
    at(0.95),
    at(1),
    hours(shipMs),
    hours(hostMs),
    used,
    ...counts,
  ]
}

function amount(name: 'start' | 'patience' | 'per-host' | 'seed'): number {
  const number = Number(values[name])
  if (Number.isFinite(number) && number > 0) return number
  throw new Error(`--${name} must be a number above 0, not "${values[name]}".`)
}

function when(atMs: number): string {
  return new Date(atMs).toISOString()
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
