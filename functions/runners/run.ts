// Entry of the runners: `run.ts scheduler`, `run.ts controllers`, or `run.ts both` in one process.
import { setFlagsFromString } from 'node:v8'
import type { OfficeName } from '../../shared/api/offices.ts'
import { messageOf } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import { within } from '../../shared/loop.ts'
import { readSettings, type Settings } from '../../shared/settings.ts'
import { offices, run } from './runner.ts'

/** What is not given away by then ends with the process, and its election node with the session. */
const farewellMs = 800

// A standby idles with a small young generation. Taking over it reads a whole cluster at once, and would spend a sixth
// of that time on moving what it read from one small space to the next.
setFlagsFromString('--semi-space-growth-factor=16')

process.exitCode = await main(process.argv.slice(2))
// A request that nobody answers must not keep a stopped process alive.
process.exit()

async function main([asked, ...more]: string[]): Promise<number> {
  const names = asked === 'both' ? (Object.keys(offices) as OfficeName[]) : [asked as OfficeName]
  if (asked === undefined || more.length > 0 || !names.every((name) => Object.hasOwn(offices, name))) {
    const given = process.argv.length > 2 ? `not "${process.argv.slice(2).join(' ')}"` : 'nothing was given'
    process.stderr.write(`Which runner? Give one of scheduler, controllers, both; ${given}.\n`)
    return 2
  }
  let settings: Settings<'runner'>
  try {
    settings = readSettings('runner')
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return 1
  }
  const log = createLog('runner', settings.logLevel)
  const stop = new AbortController()
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()))
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  const running = run(names, settings, log, stop.signal)
  try {
    await Promise.race([running, stopped])
    if (stop.signal.aborted) await within(running, farewellMs, () => new Error('the farewell took too long'))
    return 0
  } catch (error) {
    if (stop.signal.aborted) return 0
    log.error({ error: messageOf(error) }, 'the runner cannot go on')
    return 1
  }
}
