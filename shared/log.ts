// Structured logs: one JSON line an event, for people and machines alike.
import { pino } from 'pino'

type DestinationOptions = Exclude<Parameters<typeof pino.destination>[0], string | number | undefined>

/** Characters that wait to be written; what comes beyond is dropped. */
const mostUnwritten = 1_000_000

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

/**
 * @param level least level written: debug, info, warn, error or silent.
 * @param file written to in place of standard error.
 */
export function createLog(component: string, level = 'info', file?: string): Log {
  return pino(
    { level, base: { component }, timestamp: isoClock() },
    destination({ dest: file ?? 2, sync: true }),
  )
}

/**
 * A log for many lines that matter little one by one: they are written together, 4 KB or `flush()` at a time; of more, the
 * library measures all that waits at every line, which took an eighth of what an ApiServer allocates on its heap.
 * A crash loses what was not flushed.
 */
export function createBufferedLog(component: string, level: string): { log: Log; flush(): void } {
  const output = destination({ dest: 2, sync: true, minLength: 4_000 })
  const log = pino({ level, base: { component }, timestamp: isoClock() }, output)
  // Not `flushSync`, which waits for the disk as well, and everybody with it.
  return { log, flush: () => output.flush() }
}

/** A full disk costs lines, and ends nothing: unheard, its error would be thrown at whoever logs next. */
function destination(options: DestinationOptions) {
  const output = pino.destination({ ...options, maxLength: mostUnwritten })
  output.on('error', () => undefined)
  return output
}

/** Under load many lines have the same millisecond, and writing it out was the dearest part of a line. */
function isoClock(): () => string {
  let lastMs = 0
  let text = ''
  return () => {
    const nowMs = Date.now()
    if (nowMs !== lastMs) {
      lastMs = nowMs
      text = `,"time":"${new Date(nowMs).toISOString()}"`
    }
    return text
  }
}
