// What people order of hosts: labels, cordon, drain, removal. Recorded first, then told to the scheduler.
import type { Context } from 'hono'
import * as routes from '../../../shared/api/hosts.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import {
  type Host,
  type HostOrders,
  type HostView,
  noReasonOfDrain,
  ordersOf,
} from '../../../shared/model/host.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isAboard } from '../../../shared/model/shipState.ts'
import { type Env, guarded } from '../../middleware/authenticate.ts'
import type { Row } from '../../stores/mirror/table.ts'
import type { Stores } from '../../stores/stores.ts'
import { lose, requeue } from '../changes/lifecycle.ts'
import { assertMatch, patched } from '../changes/matching.ts'
import { hostView, noSuchHost } from '../hosts.ts'
import { serviceApp } from '../serviceApp.ts'
import { queueTickets } from '../ships/tickets.ts'

export function hostOrderService(stores: Stores) {
  const { hosts, hostNodes, ships, samples } = stores
  return serviceApp()
    .openapi(guarded(routes.patchHost), async (c) => {
      const { labels } = c.req.valid('json')
      const ifMatch = c.req.valid('header')['if-match']
      const change = (orders: HostOrders) => ({ ...orders, labels: patched(orders.labels, labels) })
      return c.json(await order(c.req.valid('param').host, change, ifMatch), 200)
    })
    .openapi(guarded(routes.cordonHost), async (c) => {
      const cordon = cordonOf(c, c.req.valid('json'))
      return c.json(await order(c.req.valid('param').host, (orders) => ({ ...orders, cordon })), 200)
    })
    .openapi(guarded(routes.uncordonHost), async (c) => {
      const change = (orders: HostOrders) => ({ ...orders, cordon: null, drain: null })
      return c.json(await order(c.req.valid('param').host, change), 200)
    })
    .openapi(guarded(routes.drainHost), async (c) => {
      const { deadlineSeconds = 3_600, reason } = c.req.valid('json')
      const cordon = cordonOf(c, { reason: reason || noReasonOfDrain })
      const deadline = new Date(Date.now() + deadlineSeconds * 1_000).toISOString()
      const drain = { since: cordon.since, by: cordon.by, deadline }
      return c.json(await order(c.req.valid('param').host, (orders) => ({ ...orders, cordon, drain })), 200)
    })
    .openapi(guarded(routes.deleteHost), async (c) => {
      const { host } = c.req.valid('param')
      const { force } = c.req.valid('query')
      const row = await hosts.read(host)
      const left = aboard(host)
      if (left.length > 0 && !force) throw carriesShips(host, left)
      if (row) {
        // So that the scheduler does not send the same ships here again while the nodes still stand.
        const cordon = cordonOf(c, { reason: 'being removed' })
        await order(host, (orders) => ({ ...orders, cordon })).catch(() => undefined)
        await hosts.remove(host)
      }
      // Listed anew: a claim may have come before the credential died.
      const reason = `its host ${host} was removed`
      const lost = await ships.update(aboard(host), (ship) =>
        ship.host === host ? lose(ship, reason) : undefined,
      )
      await sendElsewhere(host)
      await samples.dropHost(host).catch(() => undefined)
      const found = await hostNodes.remove(host).catch((error) => {
        throw new ArmadaError(
          'unavailable',
          `Host "${host}" is removed and its credential dead, but its nodes in ZooKeeper could not be deleted. Send the same again.`,
          { cause: error, retryAfterSeconds: 2 },
        )
      })
      if (!row && !found) throw noSuchHost(host)
      return c.json({ removed: host, lost: [...lost.keys()] }, 200)
    })

  async function order(
    host: string,
    change: (orders: HostOrders) => HostOrders,
    ifMatch?: string,
  ): Promise<HostView> {
    const next = (row: Row<Host>): Host => {
      assertMatch(row, ifMatch, `Host "${host}"`)
      return { ...row.value, orders: change(ordersOf(row.value)) }
    }
    const row = await hosts.change(host, next)
    if (!row) throw noSuchHost(host)
    await hostNodes.order(host)
    return hostView(row, stores)
  }

  /** Ships that wait for this host, which has what they kept, would wait for ever. */
  async function sendElsewhere(host: string): Promise<void> {
    const waits = ({ state, home }: Ship) => state === 'Queued' && home === host
    const ids = ships.index.inState('Queued').flatMap(({ value }) => (waits(value) ? [value.id] : []))
    const freed = await ships.update(ids, (ship) =>
      waits(ship) ? requeue(ship, 'controllers', `its home ${host} was removed`, { home: null }) : undefined,
    )
    // Whatever finds no room in the queue is queued by the controllers.
    await queueTickets(
      [...freed.values()].map((row) => row.value),
      stores,
    ).catch(() => undefined)
  }

  function aboard(host: string): string[] {
    const rows = ships.index.ofHost(host).filter(({ value }) => isAboard(value.state))
    return rows.map(({ value }) => value.id)
  }
}

function cordonOf(c: Context<Env>, { reason = '' }: { reason?: string | undefined }) {
  return { reason, since: new Date().toISOString(), by: c.get('caller').name }
}

function carriesShips(host: string, ships: readonly string[]): ArmadaError {
  const some = ships.slice(0, 3).join(', ')
  return new ArmadaError(
    'conflict',
    `Host "${host}" carries ${ships.length} ships (${some}${ships.length > 3 ? ' …' : ''}). POST /v1/hosts/${host}/drain moves them; ?force=true gives them up.`,
  )
}
