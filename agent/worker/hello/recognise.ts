// Containers that an earlier agent left are ships aboard, whatever the ApiServer will say of them.
import type { Found } from '../../docker/engine.ts'
import { grantOf } from '../../docker/label.ts'
import type { Crew } from '../crew.ts'

/** To no effect once it has been said what they are. */
export function recognise({ roster, gate }: Crew, containers: readonly Found[]): void {
  if (gate.wasOpen) return
  for (const container of containers.toSorted((a, b) => b.attempt - a.attempt)) {
    const grant = grantOf(container)
    if (grant) roster.board(grant, 'Found', container.id)
  }
}
