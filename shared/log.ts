// Structured logs: one JSON line an event, for people and machines alike.
import { pino } from 'pino'

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
    { level, base: { component }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: file ?? 2, sync: true }),
  )
}
