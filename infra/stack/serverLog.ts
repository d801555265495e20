// The file that a server's output goes to: added to at each start, turned over when it has grown large.
import { openSync, readFileSync, renameSync, statSync } from 'node:fs'

const limitBytes = 8_000_000

export function openLog(file: string): number {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > limitBytes) renameSync(file, `${file}.1`)
  return openSync(file, 'a')
}

export function lastLines(file: string, count = 12): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n')
  } catch {
    return '(nothing)'
  }
}
