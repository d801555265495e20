// Bytes that network interfaces have carried, from the kernel's own table.
import { existsSync, readFileSync } from 'node:fs'

export interface Carried {
  rxBytes: number
  txBytes: number
}

/**
 * Of all interfaces in the network of a process but its loopback; those of a machine that stand for no device of its own
 * (bridges, pairs to containers) carry what another has carried. @throws when the process has ended.
 */
export function carriedBy(pid: number | 'self'): Carried {
  const carried = { rxBytes: 0, txBytes: 0 }
  for (const line of readFileSync(`/proc/${pid}/net/dev`, 'utf8').split('\n').slice(2)) {
    const [name = '', ...numbers] = line.trim().split(/[:\s]+/)
    if (name === '' || name === 'lo' || (pid === 'self' && !existsSync(`/sys/class/net/${name}/device`)))
      continue
    carried.rxBytes += Number(numbers[0])
    carried.txBytes += Number(numbers[8])
  }
  return carried
}
