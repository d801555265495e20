// Runs every test file in a process of its own, counts, and closes with `N passed, N failed`.
//
// uvu's exit code is 0 for a suite that never ran and for one whose `before` threw, so only its totals count
// here: a file without totals, or with a total of 0, has failed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { sourceFiles } from './harness/sources.ts'

const root = join(import.meta.dirname, '..')
const fileLimitMs = Number(process.env.FILE_LIMIT_MS ?? 360_000)
const wanted = process.argv.slice(2)

interface Outcome {
  passed: number
  failed: number
  skipped: number
}

function run(file: string): Promise<{ outcome: Outcome; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let output = ''
    let isOverdue = false
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const timer = setTimeout(() => {
      isOverdue = true
      output += `\nnot finished after ${fileLimitMs / 1_000} s, so it was ended\n`
      if (child.pid) process.kill(-child.pid, 'SIGKILL')
    }, fileLimitMs)
    child.once('exit', () => {
      clearTimeout(timer)
      child.stdout.destroy()
      child.stderr.destroy()
      const outcome = outcomeOf(output)
      resolve({ outcome: isOverdue ? { ...outcome, failed: Math.max(1, outcome.failed) } : outcome, output })
    })
  })
}

function outcomeOf(output: string): Outcome {
  const number = (name: string) => Number(new RegExp(`^ {2}${name}:\\s+(\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const [total, passed, skipped] = [number('Total'), number('Passed'), number('Skipped')]
  return { passed, failed: total === 0 ? 1 : total - passed, skipped }
}

process.chdir(root)
const found = new Set([...sourceFiles(['test']), ...wanted.filter((word) => existsSync(word))])
const files = [...found]
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()
const sum: Outcome = { passed: 0, failed: 0, skipped: 0 }
/** They measure by the clock what the product promises, or keep every core busy by themselves: nothing runs beside them. */
const alone = ['endToEnd/manyHosts', 'endToEnd/agentArchive', 'endToEnd/logs', 'functions/fuzz'].map((name) =>
  join('test', `${name}.test.ts`),
)
const isAlone = (file: string) => alone.some((one) => file.endsWith(one))
const startedAt = performance.now()

async function work(queue: string[]): Promise<void> {
  for (let file = queue.shift(); file; file = queue.shift()) {
    const began = performance.now()
    const { outcome, output } = await run(file)
    for (const key of ['passed', 'failed', 'skipped'] as const) sum[key] += outcome[key]
    const seconds = ((performance.now() - began) / 1_000).toFixed(1)
    const verdict = outcome.failed > 0 ? `FAILED ${outcome.failed}` : 'ok'
    process.stdout.write(
      `${verdict.padEnd(9)} ${String(outcome.passed).padStart(4)} passed ${seconds.padStart(6)} s  ${relative('test', file)}\n`,
    )
    if (outcome.failed > 0) process.stdout.write(`${output.trim()}\n`)
  }
}

// Half of a test's time is waiting.
const jobs = Number(process.env.JOBS ?? Math.min(3, availableParallelism() + 1))
await work(files.filter(isAlone))
const others = files.filter((file) => !isAlone(file))
await Promise.all(Array.from({ length: jobs }, () => work(others)))
if (files.length === 0) sum.failed = 1
process.stdout.write(`\n${files.length} files in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`)
process.stdout.write(
  `${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}\n`,
)
process.exit(sum.failed > 0 ? 1 : 0)
