// Ending a container: its stop command if it has one, its stop signal, then its grace, then SIGKILL by the engine, and at
// last by this process itself.
//
// INVARIANTS
// - It goes on until the container does not run any more or the signal fires, whatever the engine says meanwhile.
// - What keeps a container from ending is told to whoever wants it to end.
import { messageOf } from '../../../shared/errors.ts'
import { sleep } from '../../../shared/loop.ts'
import { runsIn } from '../../cgroup.ts'
import type { Engine } from '../../docker/engine.ts'
import { writeInput } from '../../docker/input.ts'

/**
 * So long may the engine take over what it was asked for, before it is said that it does not do it, and over a SIGKILL,
 * before this process kills by itself.
 */
const patienceMs = 5_000
const firstPauseMs = 10
const longestPauseMs = 250
/** Of a container that should have ended already. */
const longestOverduePauseMs = 2_000

export interface Farewell {
  /** By the monotonic clock. It may be brought forward while the container is being ended. */
  killAtMs: number
  /** A line for its console, in place of the signal for the first half of the grace. */
  command?: string | undefined
}

export interface Halting {
  engine: Engine
  id: string
  /** Its first process, as far as it is known. */
  pid: number
  farewell: Farewell
  signal: AbortSignal
  /** Called whenever it is something else. */
  onTrouble: (trouble: string) => void
}

/**
 * Resolves when the container does not run any more, or when the signal fires. It asks instead of waiting for Docker's
 * word: a wait of Docker's never settles when dockerd dies.
 */
export async function halt({ engine, id, pid, farewell, signal, onTrouble }: Halting): Promise<void> {
  const beginMs = performance.now()
  const said = farewell.command !== undefined && (await say(engine, id, farewell.command))
  const signalAtMs = said ? beginMs + (farewell.killAtMs - beginMs) / 2 : beginMs
  let asked = false
  let killed = false
  let fineAtMs = beginMs
  let told = ''
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs *= 1.5) {
    let trouble: string | undefined
    try {
      const details = await engine.details(id)
      if (details?.state !== 'running') return
      pid = details.pid
      if (isDue(farewell)) {
        await engine.signal(id, 'SIGKILL')
        if (!killed) pauseMs = firstPauseMs
        killed = true
      } else {
        if (!asked && performance.now() >= signalAtMs) {
          await engine.signal(id, details.stopSignal)
          asked = true
        }
        fineAtMs = performance.now()
      }
    } catch (error) {
      trouble = messageOf(error)
    }
    if (performance.now() - fineAtMs > patienceMs) {
      trouble ??= untouched(pid, id)
      if (trouble !== told) onTrouble(trouble)
      told = trouble
    }
    if (isDue(farewell, patienceMs)) killItself(pid, id)
    const untilKillMs = farewell.killAtMs - performance.now()
    const longestMs = untilKillMs > 0 ? Math.min(longestPauseMs, untilKillMs) : longestOverduePauseMs
    await sleep(Math.min(pauseMs, longestMs), signal)
  }
}

function isDue({ killAtMs }: Farewell, agoMs = 0): boolean {
  return performance.now() >= killAtMs + agoMs
}

/** False when the ship does not take it: then the signal has to do. */
async function say(engine: Engine, id: string, command: string): Promise<boolean> {
  return writeInput(engine, id, `${command}\n`).then(
    () => true,
    () => false,
  )
}

/** Why a container runs on although the engine takes every signal. */
function untouched(pid: number, containerId: string): string {
  return runsIn({ pid, containerId })
    ? 'its process does not end by SIGKILL, as one does not that waits for a disk'
    : 'its process is not to be found, so that the engine may have missed its end; restart the engine'
}

/** With its first process the kernel ends all others of a container. */
function killItself(pid: number, containerId: string): void {
  try {
    if (runsIn({ pid, containerId })) process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended, or it is not for this process to end: the engine is asked on.
  }
}
