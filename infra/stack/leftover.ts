// What a server leaves in its folder about itself, so that a later run can find, reuse or end it.
//
// INVARIANT: a process is only ever signalled while its start time and command line still match the mark.
// A process id alone proves nothing: ids are given out again.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '../../shared/loop.ts'

export interface Mark {
  pid: number
  /** Start time of the process in clock ticks since the machine started. */
  startTicks: string
  /** The name of the program, which its command line must contain. */
  program: string
  address: string
  /** Digest of command, arguments and settings; a server with others is not reused. */
  launch: string
}

function markFile(dir: string): string {
  return join(dir, 'server.json')
}

export function readMark(dir: string): Mark | undefined {
  try {
    return JSON.parse(readFileSync(markFile(dir), 'utf8')) as Mark
  } catch {
    return undefined
  }
}

export function writeMark(dir: string, mark: Mark): void {
  writeFileSync(markFile(dir), JSON.stringify(mark))
}

export function eraseMark(dir: string): void {
  rmSync(markFile(dir), { force: true })
}

/** What the kernel tells of a process or thread, from its state on. */
function fieldsOf(folder: string): string[] {
  const stat = readFileSync(`${folder}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

const stopsWithinMs = 1_000
const idle = new Int32Array(new SharedArrayBuffer(4))

/** After SIGSTOP: all its threads do so one by one, some ms later on a busy machine. */
export function untilStandsStill(pid: number): void {
  const untilMs = performance.now() + stopsWithinMs
  while (!standsStill(pid) && performance.now() < untilMs) Atomics.wait(idle, 0, 0, 1)
}

function standsStill(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    return threads.every((thread) => fieldsOf(`/proc/${pid}/task/${thread}`)[0] === 'T')
  } catch {
    return false
  }
}

/** Start time of a living process in clock ticks; undefined when there is none, or only its zombie. */
export function startTicksOf(pid: number): string | undefined {
  try {
    const fields = fieldsOf(`/proc/${pid}`)
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch (error) {
    // Any other error, such as too many open files, is no proof that the process is gone.
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

export function isAlive(mark: Pick<Mark, 'pid' | 'startTicks'>): boolean {
  return startTicksOf(mark.pid) === mark.startTicks
}

/** The mark in `dir` if the very process that it names still runs. */
export function livingMark(dir: string): Mark | undefined {
  const mark = readMark(dir)
  if (mark === undefined || !isAlive(mark)) return undefined
  try {
    return readFileSync(`/proc/${mark.pid}/cmdline`, 'utf8').includes(mark.program) ? mark : undefined
  } catch {
    return undefined
  }
}

/** Waits until the process is gone; false when it is still there after `limitMs`. */
export async function waitGone(mark: Pick<Mark, 'pid' | 'startTicks'>, limitMs: number): Promise<boolean> {
  const endMs = performance.now() + limitMs
  while (isAlive(mark)) {
    if (performance.now() > endMs) return false
    await sleep(10)
  }
  return true
}

/** Signals a marked process; false when it is gone. */
export function signalMarked(mark: Pick<Mark, 'pid' | 'startTicks'>, signal: NodeJS.Signals): boolean {
  if (!isAlive(mark)) return false
  try {
    process.kill(mark.pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** SIGTERM, then SIGKILL after `graceMs`; a stopped process is woken first, so that it can obey. */
export async function endMarked(mark: Pick<Mark, 'pid' | 'startTicks'>, graceMs: number): Promise<void> {
  signalMarked(mark, 'SIGTERM')
  signalMarked(mark, 'SIGCONT')
  if (await waitGone(mark, graceMs)) return
  signalMarked(mark, 'SIGKILL')
  await waitGone(mark, 5_000)
}

/** Ends the server that a former run left in `dir`, if any; says whether there was one. */
export async function endLeftover(dir: string, graceMs = 5_000): Promise<boolean> {
  const mark = livingMark(dir)
  if (mark !== undefined) await endMarked(mark, graceMs)
  eraseMark(dir)
  return mark !== undefined
}
