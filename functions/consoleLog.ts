// The log where there is no standard error to write to: one JSON line an event to the console.
import type { Log } from '../shared/log.ts'

const levels = ['debug', 'info', 'warn', 'error', 'silent']

/** @param least level written: debug, info, warn, error or silent. */
export function consoleLog(fixed: object, least: string): Log {
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, msg: string) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return
    console[level](JSON.stringify({ level, time: new Date().toISOString(), ...fixed, ...fields, msg }))
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => consoleLog({ ...fixed, ...fields }, least),
  }
}
