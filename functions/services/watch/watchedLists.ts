// The lists that can be watched: of each, what a change touches and how its records look.
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { Host, HostView } from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import type { ShipTexts } from '../ships/shipTexts.ts'
import { fleetView } from '../views.ts'
import type { WatchedList } from './listFeed.ts'

/** Views that count ships change with every ship: those of one moment are told as one change. */
const gatherMs = 100

/**
 * @param matches the same test as the list's.
 * @param fleets whether ships of this fleet may be told of; their fleet never changes.
 */
export function watchedShips(
  { ships }: Stores,
  texts: ShipTexts,
  matches: (ship: Ship) => boolean,
  fleets: (fleet: string | null) => boolean,
): WatchedList {
  return {
    key: 'id',
    names: () =>
      [...ships.table.rows()].flatMap(([id, { value }]) =>
        fleets(value.fleet) && matches(value) ? [id] : [],
      ),
    touched: ({ kind, id, fleet }) => (kind === 'ships' && fleets(fleet) ? [id] : []),
    views: (ids) =>
      Promise.all(
        ids.map(async (id) => {
          const row = ships.table.get(id)
          return row && fleets(row.value.fleet) && matches(row.value) ? await texts.of(row) : undefined
        }),
      ),
  }
}

export function watchedFleets(
  stores: Stores,
  matches: (fleet: Fleet) => boolean,
  fleets: (fleet: string | null) => boolean,
): WatchedList {
  const { table } = stores.fleets
  return {
    key: 'name',
    gatherMs,
    names: () => [...table.rows()].map(([name]) => name),
    touched: ({ fleet }) => (fleet !== null && fleets(fleet) ? [fleet] : []),
    views: async (names) =>
      names.map((name) => {
        const row = table.get(name)
        return row && fleets(name) && matches(row.value) ? JSON.stringify(fleetView(row, stores)) : undefined
      }),
  }
}

export function watchedHosts(
  { table }: Stores['hosts'],
  show: (row: Row<Host>) => Promise<HostView>,
  matches: (host: HostView) => boolean,
): WatchedList {
  /** What time alone changes, as it was told last. */
  const shown = new Map<string, string>()
  const timely = ({ state, drain }: HostView) => `${state} ${drain?.state} ${drain?.late}`
  const viewOf = async (id: string): Promise<HostView | undefined> => {
    const row = table.get(id)
    return row && (await show(row))
  }
  return {
    key: 'id',
    gatherMs,
    names: () => [...table.rows()].map(([id]) => id),
    touched: ({ kind, id, hosts }) => (kind === 'hosts' ? [id] : hosts),
    views: (ids) =>
      Promise.all(
        ids.map(async (id) => {
          const view = await viewOf(id)
          if (!view) shown.delete(id)
          else shown.set(id, timely(view))
          return view && matches(view) ? JSON.stringify(view) : undefined
        }),
      ),
    async stirred() {
      const views = await Promise.all([...table.rows()].map(([id]) => viewOf(id)))
      return views.flatMap((view) => (view && shown.get(view.id) !== timely(view) ? [view.id] : []))
    },
  }
}
