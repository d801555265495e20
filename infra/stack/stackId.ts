// The name of one state folder, from which the host that it stands for gets its own.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Given out at the first start, and the same until the folder is wiped. */
export function stackIdOf(dir: string): string {
  const known = knownStackId(dir)
  if (known !== undefined) return known
  mkdirSync(dir, { recursive: true })
  const id = randomBytes(6).toString('hex')
  writeFileSync(join(dir, 'stack-id'), id)
  return id
}

export function knownStackId(dir: string): string | undefined {
  try {
    return readFileSync(join(dir, 'stack-id'), 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** The id of the host that `npm start` joins; every ship's container has it as its label `armada.host`. */
export function localHostId(stackId: string): string {
  return `local-${stackId.slice(0, 6)}`
}
