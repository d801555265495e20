// Changes of single records: ETag and If-Match, and labels as a merge patch.
import type { Context } from 'hono'
import type { LabelPatch } from '../../../shared/api/fields.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { Labels } from '../../../shared/model/name.ts'
import { answerWith } from '../../middleware/answer.ts'
import type { Env } from '../../middleware/authenticate.ts'
import type { Row } from '../../stores/mirror/table.ts'

/** Answers with the record's revision as its ETag, as `If-Match` takes it back. */
export function tag(c: Context<Env>, { revision }: Row<unknown>): void {
  answerWith(c, 'etag', `"${revision}"`)
  // It was looked for in etcd, and is newer than memory.
  const shown = c.get('shown')
  if (shown !== undefined && revision > shown) answerWith(c, 'x-armada-revision', String(revision))
}

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

/** @throws ArmadaError invalid_request when what comes out are no labels. */
export function patched(labels: Labels, patch: LabelPatch): Labels {
  const next = { ...labels, ...patch }
  const kept = Object.entries(next).filter(([, value]) => value !== null)
  const { data, error } = Labels.safeParse(Object.fromEntries(kept))
  if (data) return data
  const [first] = error.issues
  throw new ArmadaError(
    'invalid_request',
    `In the body, ${['labels', ...(first?.path ?? [])].join('.')}: ${first?.message}`,
  )
}
