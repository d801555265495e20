// Quotas of fleets: set by admins, kept by whatever makes ships (see allowance.ts).
import * as routes from '../../shared/api/quotas.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { FleetQuota, FleetQuotaView } from '../../shared/model/quota.ts'
import { fits as fitsPattern } from '../../shared/model/token.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { Stores } from '../stores/stores.ts'
import { assertMatch, tag } from './changes/matching.ts'
import { usedBy } from './quotas/allowance.ts'
import { serviceApp } from './serviceApp.ts'

/** Each of them may be a condition of one transaction, which has room for 120. */
const mostQuotas = 50

export function quotaService(stores: Pick<Stores, 'quotas' | 'ships'>) {
  const { quotas, ships } = stores
  return serviceApp()
    .openapi(guarded(routes.putQuota), async (c) => {
      const { quota: name } = c.req.valid('param')
      const ifMatch = c.req.valid('header')['if-match']
      const row = await quotas.put({ ...c.req.valid('json'), name }, (before) => {
        if (before) assertMatch(before, ifMatch, `Quota "${name}"`)
        else if (quotas.table.size >= mostQuotas) throw tooMany()
      })
      tag(c, row)
      return c.json(viewOf(row), 200)
    })
    .openapi(guarded(routes.listQuotas), (c) =>
      c.json({ quotas: [...quotas.table.rows()].map(([, row]) => viewOf(row)) }, 200),
    )
    .openapi(guarded(routes.getQuota), async (c) => {
      const { quota: name } = c.req.valid('param')
      const row = quotas.table.get(name) ?? (await quotas.read(name))
      if (!row) throw noSuchQuota(name)
      tag(c, row)
      return c.json(viewOf(row), 200)
    })
    .openapi(guarded(routes.deleteQuota), async (c) => {
      const { quota: name } = c.req.valid('param')
      if (!(await quotas.remove(name))) throw noSuchQuota(name)
      return c.json({ deleted: name }, 200)
    })

  function viewOf({ value, revision }: Row<FleetQuota>): FleetQuotaView {
    const used = usedBy(ships.use.byFleet(), (fleet) => value.fleets.some((one) => fitsPattern(one, fleet)))
    return { ...value, used, revision: String(revision) }
  }
}

function noSuchQuota(name: string): ArmadaError {
  return new ArmadaError('not_found', `There is no quota "${name}". PUT /v1/quotas/${name} sets one.`)
}

function tooMany(): ArmadaError {
  return new ArmadaError(
    'conflict',
    `There are ${mostQuotas} quotas, which is as many as there may be. Let one name more fleets, or delete one.`,
  )
}
