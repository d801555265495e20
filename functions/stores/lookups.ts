// What looking up a record takes of the stores. Node and the edge both have it, each in its own way.
import type { Blueprint } from '../../shared/model/blueprint.ts'
import type { Ship, ShipSample } from '../../shared/model/ship.ts'
import type { Row } from './mirror/table.ts'

export type Sample = Omit<ShipSample, 'ship'>

export interface ShipLookups {
  get(id: string): Promise<Row<Ship> | undefined>
}

export interface SampleLookups {
  /** Last samples of the ships, null where there is none. */
  ofShips(ids: readonly string[]): Promise<(Sample | null)[]>
  /** The same as JSON. */
  textsOfShips(ids: readonly string[]): Promise<(string | null)[]>
}

export interface BlueprintLookups {
  /** @param revision undefined: the latest. */
  get(name: string, revision?: number): Promise<Blueprint | undefined>
  /** All revisions, oldest first. */
  revisions(name: string): Promise<Blueprint[]>
}

export interface Lookups {
  ships: ShipLookups
  samples: SampleLookups
  blueprints: BlueprintLookups
}
