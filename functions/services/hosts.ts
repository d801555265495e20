// Hosts: the machines that carry ships, and the tokens with which they join.
import * as routes from '../../shared/api/hosts.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { promisedMs } from '../../shared/model/doneBy.ts'
import { allocatableOf, type Host, type HostView, ordersOf } from '../../shared/model/host.ts'
import type { Labels } from '../../shared/model/name.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isAboard, isSpared } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { HostReport } from '../stores/redis/samples.ts'
import type { Stores } from '../stores/stores.ts'
import { tag } from './changes/matching.ts'
import { hostMatches } from './filters.ts'
import { pageOf } from './paging.ts'
import { serviceApp } from './serviceApp.ts'
import { watchedHosts } from './watch/watchedLists.ts'
import type { Watching } from './watch/watching.ts'

/** A host that has not reported for so long is shown as Silent. Agents report every 5 s. */
const silentMs = 15_000
/** Hosts whose reports are asked for together while a page is put together. */
const hostsAtOnce = 200

type Promises = NonNullable<HostView['drain']>

export function hostService(stores: Stores, watching: Watching) {
  const { hosts } = stores
  return serviceApp()
    .openapi(guarded(routes.listHosts), async (c) => {
      const query = c.req.valid('query')
      if (query.watch) {
        const show = (row: Row<Host>) => hostView(row, stores)
        const chosen = (host: HostView) => hostMatches(query, host)
        return (await watching.list(c, watchedHosts(hosts, show, chosen))) as never
      }
      const { items, nextCursor } = await pageOf(c, query, (after) => matching(query, after))
      return c.json({ hosts: items, nextCursor }, 200)
    })
    .openapi(guarded(routes.createJoinToken), async (c) => {
      const { host, ttlSeconds } = c.req.valid('json')
      c.set('subject', host)
      return c.json(await hosts.createJoinToken(host, ttlSeconds), 201)
    })
    .openapi(guarded(routes.getHost), async (c) => {
      const { host } = c.req.valid('param')
      const row = hosts.table.get(host) ?? (await hosts.read(host))
      if (!row) throw noSuchHost(host)
      tag(c, row)
      return c.json(await hostView(row, stores), 200)
    })

  async function* matching(filter: routes.HostFilter, after: string): AsyncGenerator<[string, HostView]> {
    for (let last = after; ; ) {
      const rows = first(hosts.table.rows(last), hostsAtOnce)
      const reports = await stores.samples.hostReports(rows.map(([id]) => id))
      for (const [id, row] of rows) {
        const shown = view(row, reports.get(id) ?? null, stores)
        if (hostMatches(filter, shown)) yield [id, shown]
        last = id
      }
      if (rows.length < hostsAtOnce) return
    }
  }
}

function first<T>(entries: Iterable<T>, count: number): T[] {
  const some: T[] = []
  for (const entry of entries) if (some.push(entry) === count) break
  return some
}

export function noSuchHost(host: string): ArmadaError {
  return new ArmadaError(
    'not_found',
    `There is no host "${host}". POST /v1/hosts/join-tokens makes a token with which it can join.`,
  )
}

export async function hostView(row: Row<Host>, stores: Stores): Promise<HostView> {
  return view(row, await stores.samples.hostReport(row.value.id), stores)
}

export async function hostViews(stores: Stores): Promise<HostView[]> {
  const reports = await stores.samples.hostReports()
  return [...stores.hosts.table.rows()].map(([id, row]) => view(row, reports.get(id) ?? null, stores))
}

function view({ value: host, revision }: Row<Host>, report: HostReport | null, { ships }: Stores): HostView {
  const { credentialDigest, nextDigest, previous, orders, ...shown } = host
  const { labels, cordon, drain } = ordersOf(host)
  const aboard = ships.index.ofHost(host.id).filter(({ value }) => isAboard(value.state))
  const inUse = aboard.map(({ value }) => value).filter(isSpared)
  return {
    ...shown,
    revision: String(revision),
    labels: labelsOf(host),
    ownLabels: labels,
    allocatable: allocatableOf(host),
    cordon,
    drain: drain && {
      ...drain,
      state: drainState(drain.deadline, aboard.length),
      left: aboard.length,
      inUse: inUse.length,
      ...promisesOf(inUse),
    },
    state: stateOf(report),
    lastReportAt: report?.at ?? null,
    ships: aboard.length,
    sample: report?.sample ?? null,
  }
}

/** When those in use are done, as far as they have said so. */
function promisesOf(inUse: readonly Ship[]): Pick<Promises, 'expectedEnd' | 'unsaid' | 'late'> {
  const said = inUse.flatMap((ship) => promisedMs(ship) ?? [])
  return {
    expectedEnd: said.length > 0 ? new Date(Math.max(...said)).toISOString() : null,
    unsaid: inUse.length - said.length,
    late: said.filter((time) => time <= Date.now()).length,
  }
}

/** The agent's, and over them those that people gave. */
export function labelsOf(host: Host): Labels {
  return { ...host.labels, ...ordersOf(host).labels }
}

function drainState(deadline: string, left: number): 'Draining' | 'Overdue' | 'Drained' {
  if (left === 0) return 'Drained'
  return isOver(deadline) ? 'Overdue' : 'Draining'
}

/** Whether the deadline has passed, by this ApiServer's clock. */
export function isOver(deadline: string): boolean {
  return Date.parse(deadline) <= Date.now()
}

export function isSilent(report: HostReport | null): boolean {
  return !report || Date.now() - Date.parse(report.at) > silentMs
}

function stateOf(report: HostReport | null): HostView['state'] {
  if (isSilent(report)) return 'Silent'
  return report?.sample?.degraded ? 'Degraded' : 'Online'
}
