// Ships that are Ready without a host that runs them: written into etcd as agents would have left them.
import { newShip } from '../../functions/services/changes/lifecycle.ts'
import { connectEtcd } from '../../functions/stores/etcd/etcd.ts'
import { etcdKeys } from '../../functions/stores/keys.ts'
import type { Blueprint } from '../../shared/model/blueprint.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Ship } from '../../shared/model/ship.ts'
import type { ShipState } from '../../shared/model/shipState.ts'

const perCommit = 100

export interface ReadyShips {
  /** Address of etcd. */
  etcd: string
  count: number
  fleet: string
  hosts: number
  change?: Partial<Ship>
}

/** @returns their ids, in order. */
export async function writeReadyShips({ etcd, count, fleet, hosts, change }: ReadyShips): Promise<string[]> {
  const kv = connectEtcd(etcd, 10_000)
  const blueprint: Blueprint = {
    ...{ name: 'arena', revision: 1, createdAt: new Date().toISOString() },
    spec: BlueprintSpec.parse({ image: 'game:1' }),
  }
  const ships = Array.from({ length: count }, (_, i): Ship => {
    const made = newShip({
      ...{ id: `${fleet}-${String(i).padStart(6, '0')}`, fleet, blueprint, labels: { mode: 'duel' } },
      ...{ priority: 50, requestDigest: 'written' },
    })
    const host = `sim-${i % hosts}`
    const state: ShipState = 'Ready'
    const ports = [
      { name: 'game', protocol: 'udp' as const, containerPort: 27_960, hostPort: 7_000 + i / hosts },
    ]
    const at = {
      host,
      address: '10.0.0.1',
      ports: ports.map((port) => ({ ...port, hostPort: Math.floor(port.hostPort) })),
    }
    return { ...made, ...at, state, readyAt: made.createdAt, ...change }
  })
  for (let i = 0; i < ships.length; i += perCommit) {
    const some = ships.slice(i, i + perCommit)
    await kv.commit(
      [],
      some.map((ship) => ({ put: etcdKeys.ships + ship.id, value: JSON.stringify(ship) })),
    )
  }
  kv.close()
  return ships.map(({ id }) => id)
}

/** The records of the ships as etcd has them now. */
export async function shipsInEtcd(etcd: string): Promise<Ship[]> {
  const kv = connectEtcd(etcd, 10_000)
  const { items } = await kv.list(etcdKeys.ships)
  kv.close()
  return items.map(({ value }) => JSON.parse(value))
}
