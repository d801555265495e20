// npm run bench:scheduler [speed|packing] [hosts]: our engine beside simple ones, as tables and a plot.
import { mkdirSync, writeFileSync } from 'node:fs'
import { contenders } from './contenders.ts'
import { measureCeilings, measurePacking } from './packing.ts'
import { plot } from './plot.ts'
import { measureSpeed } from './speed.ts'

const folder = '.armada/bench'
/** Twenty, and forty others that had no part in finding the score. */
const seeds = [
  [1, 20],
  [101, 140],
] as const
const runs = 3
const [only, hostsAsked] = process.argv.slice(2)
const names = Object.keys(contenders)

if (only !== 'packing') speed(hostsAsked ? [Number(hostsAsked)] : [100, 1_000, 10_000, 100_000])
if (only !== 'speed') packing(hostsAsked ? Number(hostsAsked) : 200)

function speed(sizes: readonly number[]): void {
  print('hosts | engine | decisions/s | per CPU second | p50 us of CPU | p99 us of CPU')
  const lines = names.map((name) => ({ name, points: [] as { x: number; y: number }[] }))
  for (const hosts of sizes) {
    for (const [i, name] of names.entries()) {
      const tickets = Math.min(100_000, hosts * 50)
      const all = Array.from({ length: runs }, () => measureSpeed(name, hosts, tickets))
      const middle = (of: (one: (typeof all)[number]) => number) => median(all.map(of))
      const perCpuSecond = middle((one) => one.perCpuSecond)
      const figures = [middle((one) => one.perSecond), perCpuSecond, middle((one) => one.p50Us)]
      print([hosts, name, ...[...figures, middle((one) => one.p99Us)].map((n) => Math.round(n))].join(' | '))
      lines[i]?.points.push({ x: hosts, y: perCpuSecond })
    }
  }
  if (sizes.length < 2) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/scheduler.svg`, plot('decisions per second of CPU, by number of hosts', lines))
  print(`plot: ${folder}/scheduler.svg`)
}

function packing(hosts: number): void {
  print(
    'packing, clusters | engine | hosts used / fewest: mean, worst, within 1.05 | at 75 %: mean, worst | ' +
      'after churn: mean, worst | full at refusal: mean, least, from 0.98',
  )
  for (const [from, to] of seeds) {
    for (const name of names) {
      const all = Array.from({ length: to - from + 1 }, (_, i) => measurePacking(name, from + i, hosts))
      const over = all.map((one) => one.overFewest)
      const tight = all.map((one) => one.overWhenTight)
      const churned = all.map((one) => one.overAfterChurn)
      const full = all.map((one) => one.fullAtRefusal)
      const used = `${shown(mean(over))}, ${shown(Math.max(...over))}, ${over.filter((x) => x <= 1.05).length}`
      const atTight = `${shown(mean(tight))}, ${shown(Math.max(...tight))}`
      const later = `${shown(mean(churned))}, ${shown(Math.max(...churned))}`
      const refusal = `${shown(mean(full))}, ${shown(Math.min(...full))}, ${full.filter((x) => x >= 0.98).length}`
      print([`${from}-${to}`, name, used, atTight, later, refusal].join(' | '))
    }
    ceilings(from, to, hosts)
  }
}

/** The engine beside what is possible at all, cluster by cluster. */
function ceilings(from: number, to: number, hosts: number): void {
  print('cluster | full at refusal | ceiling | of it | ceiling with few hosts at 60 % | of it')
  const all = Array.from({ length: to - from + 1 }, (_, i) => {
    const { fullAtRefusal } = measurePacking('armada', from + i, hosts)
    const { full, fullOfFew } = measureCeilings(from + i, hosts)
    return [fullAtRefusal, full, fullAtRefusal / full, fullOfFew, fullAtRefusal / fullOfFew]
  })
  const column = (i: number) => all.map((figures) => figures[i] as number)
  const columns = [0, 1, 2, 3, 4].map(column)
  for (const [i, figures] of all.entries()) print([from + i, ...figures.map(shown)].join(' | '))
  print(['mean', ...columns.map((figures) => shown(mean(figures)))].join(' | '))
  print(['least', ...columns.map((figures) => shown(Math.min(...figures)))].join(' | '))
  print(['from 0.98', ...columns.map((figures) => figures.filter((x) => x >= 0.98).length)].join(' | '))
}

function shown(figure: number): string {
  return figure.toFixed(3)
}

function median(all: readonly number[]): number {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
}

function mean(all: readonly number[]): number {
  return all.reduce((sum, one) => sum + one, 0) / all.length
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
