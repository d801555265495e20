// The roster beside the list of containers: which ships have ended, which containers may go. Pure.
import type { Found } from '../docker/engine.ts'
import type { Aboard, ShipAttempt } from '../roster.ts'

export interface Picture {
  /** As it was before the containers were listed. */
  aboard: readonly Aboard[]
  containers: readonly Found[]
  /** The attempt has left this host. */
  left: (of: ShipAttempt) => boolean
  /** How it ended is not yet acknowledged: until then its container is the only other witness. */
  unreported: (of: ShipAttempt) => boolean
}

export interface Differences {
  ended: Aboard[]
  /** Ships that run on although their ending was decided. */
  ending: Aboard[]
  /** Containers that nobody needs any more. */
  done: Found[]
  /** Containers of ours that nobody here knows. */
  unknown: Found[]
}

export function compare({ aboard, containers, left, unreported }: Picture): Differences {
  const byId = new Map(containers.map((container) => [container.id, container]))
  const ships = new Set(aboard.map((entry) => entry.grant.ship))
  const runs = ({ containerId }: Aboard) => byId.get(containerId ?? '')?.state === 'running'
  // How one that was only found is told depends on what the ApiServer says of it, unless it was ended here.
  const watched = aboard.filter(
    ({ phase, ending, containerId }) =>
      phase !== 'Claimed' && containerId !== null && (phase !== 'Found' || ending !== null),
  )
  return {
    ended: watched.filter((entry) => !runs(entry)),
    ending: watched.filter((entry) => entry.ending !== null && runs(entry)),
    done: containers.filter((container) => left(container) && !unreported(container)),
    unknown: containers.filter((container) => !ships.has(container.ship) && !left(container)),
  }
}
