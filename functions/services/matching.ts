// If-Match: a change that was decided on an older picture of a record is refused.
import { ArmadaError } from '../../shared/errors.ts'
import type { Row } from '../stores/table.ts'

/** @throws ArmadaError revision_mismatch unless the record is still as it was read. */
export function assertMatch({ revision }: Row<unknown>, ifMatch: string | undefined, what: string): void {
  if (ifMatch === undefined || ifMatch === '*') return
  const asked = ifMatch.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1'))
  if (!asked.includes(String(revision))) throw movedOn(what)
}

export function movedOn(what: string): ArmadaError {
  return new ArmadaError(
    'revision_mismatch',
    `${what} has changed since it was read. Read it again and decide anew.`,
  )
}
