// The next step of one fleet, from what is and what should be.
import { type Counts, countOf, isFinished, liveOf, ShipState } from '../../../../shared/model/shipState.ts'

export const shipsInStep = { create: 50, stop: 100 } as const

/** What a step is decided on: one reading of the fleet. */
export interface FleetPicture {
  name: string
  revision: string
  deleting: boolean
  replicas: number
  ships: Counts
}

/** What to do next; with `stop`, that many ships are to be found among these states. */
export type FleetNeed =
  | { do: 'nothing' }
  | { do: 'create'; count: number }
  | { do: 'stop'; count: number; states: readonly ShipState[] }
  | { do: 'forget' }

/** States that a scale-down may end, the least useful first. Never Allocated or Reserved. */
const expendable: readonly ShipState[] = ['Queued', 'Scheduled', 'Starting', 'Unhealthy', 'Ready']
const stoppable = ShipState.options.filter((state) => !isFinished(state) && state !== 'Stopping')

export function needOf({ deleting, replicas, ships }: FleetPicture): FleetNeed {
  if (deleting) {
    const left = countOf(ships, (state) => !isFinished(state))
    const running = left - (ships.Stopping ?? 0)
    if (left === 0) return { do: 'forget' }
    return running > 0 ? { do: 'stop', count: running, states: stoppable } : { do: 'nothing' }
  }
  const surplus = liveOf(ships) - replicas
  if (surplus < 0) return { do: 'create', count: Math.min(shipsInStep.create, -surplus) }
  const possible = Math.min(
    surplus,
    countOf(ships, (state) => expendable.includes(state)),
  )
  return possible > 0 ? { do: 'stop', count: possible, states: expendable } : { do: 'nothing' }
}
