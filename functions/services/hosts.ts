// Hosts: the machines that carry ships, and the tokens with which they join.
import * as routes from '../../shared/api/hosts.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Host, HostView } from '../../shared/model/host.ts'
import { isAboard } from '../../shared/model/shipState.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { HostReport } from '../stores/samples.ts'
import type { Stores } from '../stores/stores.ts'
import { serviceApp } from './serviceApp.ts'

/** A host that has not reported for so long is shown as Silent. Agents report every 5 s. */
const silentMs = 15_000

export function hostService(stores: Stores) {
  const { hosts, samples } = stores
  return serviceApp()
    .openapi(guarded(routes.listHosts), async (c) => c.json({ hosts: await hostViews(stores) }, 200))
    .openapi(guarded(routes.createJoinToken), async (c) => {
      const { host, ttlSeconds } = c.req.valid('json')
      return c.json(await hosts.createJoinToken(host, ttlSeconds), 201)
    })
    .openapi(guarded(routes.getHost), async (c) => {
      const { host } = c.req.valid('param')
      const row = hosts.table.get(host)
      if (!row) {
        throw new ArmadaError(
          'not_found',
          `There is no host "${host}". POST /v1/hosts/join-tokens makes a token with which it can join.`,
        )
      }
      return c.json(view(row.value, await samples.hostReport(host), stores), 200)
    })
}

export async function hostViews(stores: Stores): Promise<HostView[]> {
  const reports = await stores.samples.hostReports()
  return [...stores.hosts.table.rows()].map(([id, { value }]) => view(value, reports.get(id) ?? null, stores))
}

function view(host: Host, report: HostReport | null, { ships }: Stores): HostView {
  const { credentialDigest: _, ...shown } = host
  return {
    ...shown,
    state: stateOf(report),
    lastReportAt: report?.at ?? null,
    ships: ships.index.ofHost(host.id).filter(({ value }) => isAboard(value.state)).length,
    sample: report?.sample ?? null,
  }
}

function stateOf(report: HostReport | null): HostView['state'] {
  if (!report || Date.now() - Date.parse(report.at) > silentMs) return 'Silent'
  return report.sample?.degraded ? 'Degraded' : 'Online'
}
