// One owner at a time for a state folder: a second start is told who holds it.
import { mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'
import { eraseMark, livingMark, startTicksOf, writeMark } from './leftover.ts'

/** Claims the folder for this process; returns the function that gives it up. */
export function claimFolder(dir: string): () => void {
  mkdirSync(dir, { recursive: true })
  const owner = livingMark(dir)
  if (owner !== undefined && owner.pid !== process.pid) {
    throw new ArmadaError(
      'conflict',
      `${dir} is in use by process ${owner.pid}, which was started before. Stop that one first (Ctrl-C, or kill ${owner.pid}).`,
    )
  }
  const startTicks = startTicksOf(process.pid) ?? ''
  writeMark(dir, {
    pid: process.pid,
    startTicks,
    program: basename(process.execPath),
    address: '',
    launch: '',
  })
  return () => eraseMark(dir)
}
