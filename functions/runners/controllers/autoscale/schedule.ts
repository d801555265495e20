// Whether a scheduled policy counts at a moment, and when that changes.
import { cronOf, type SchedulePolicy } from '../../../../shared/model/autoscale.ts'

/** Reading a cron takes longer than asking it. */
const crons = new Map<string, ReturnType<typeof cronOf>>()
const mostCrons = 1_000

export function activity(
  { cron, timeZone, durationMs, from, until }: SchedulePolicy,
  clockMs: number,
): { active: boolean; text: string } {
  const earliestMs = from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from)
  const latestMs = until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until)
  const read = readCron(cron, timeZone)
  // The first beginning after this moment a duration ago: later ones can only end later.
  const sinceMs = Math.max(clockMs - durationMs, earliestMs - 1)
  const begins = read.nextRun(new Date(sinceMs))
  const title = `schedule "${cron}" (${timeZone})`
  if (!begins || begins.getTime() >= latestMs) return { active: false, text: `${title} is over` }
  if (begins.getTime() > clockMs) return { active: false, text: `${title} begins ${begins.toISOString()}` }
  if (clockMs >= latestMs) return { active: false, text: `${title} is over` }
  return { active: true, text: `${title}, since ${begins.toISOString()}` }
}

function readCron(cron: string, timeZone: string): ReturnType<typeof cronOf> {
  const name = `${timeZone} ${cron}`
  const read = crons.get(name) ?? cronOf(cron, timeZone)
  if (crons.size >= mostCrons) crons.clear()
  crons.set(name, read)
  return read
}
