// CPU that a process has used: where a machine does other things too, it says more than the clock.
import { readFileSync } from 'node:fs'

/** In µs; the kernel counts in hundredths of a second. */
export function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
