// The hosts of one fleet in a test of its rollouts: they claim its ships, say that they are Ready or crash, and stop them.
import { answerOf, type Client } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { loop } from '../../shared/loop.ts'
import type { HostDescription } from '../../shared/model/host.ts'
import type { Ship } from '../../shared/model/ship.ts'
import type { ApiServer } from './apiServer.ts'
import { claim, joinHost, report } from './twoServers.ts'

const log = createLog('crew', process.env.ARMADA_LOG ?? 'silent')
const everyMs = 20

export class FleetCrew {
  /** Revisions whose ships crash as soon as they start. */
  readonly broken = new Set<number>()
  /** Why a ship keeps the limits it has; null when it gets the others, undefined while its host says nothing. */
  refusal: (ship: Ship) => string | null | undefined = () => null
  readonly #api: ApiServer
  readonly #fleet: string
  readonly #hosts: Client[]

  private constructor(api: ApiServer, fleet: string, hosts: Client[]) {
    this.#api = api
    this.#fleet = fleet
    this.#hosts = hosts
  }

  static async join(
    api: ApiServer,
    fleet: string,
    hosts: number,
    change: Partial<HostDescription> = {},
  ): Promise<FleetCrew> {
    const joined: Client[] = []
    for (let i = 0; i < hosts; i++) joined.push((await joinHost(api, `${fleet}-host-${i}`, change)).client)
    return new FleetCrew(api, fleet, joined)
  }

  ships(): Ship[] {
    return this.#api.stores.ships.index.ofFleet(this.#fleet).map(({ value }) => value)
  }

  /** Works until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const all = this.#hosts.map((host, i) =>
      loop({ name: `host ${i}`, everyMs, signal, log }, () => this.#work(host, i)),
    )
    await Promise.all(all)
  }

  /** A session takes a ship of the fleet. @throws ArmadaError none_free. */
  async allocate(): Promise<{ id: string; ship: string }> {
    const json = { selectors: [{ fleet: this.#fleet }] }
    const request = this.#api.admin.v1.allocations.$post({ json, header: {} })
    const [made] = (await answerOf(request)).allocations
    if (!made) throw new Error('one was asked for, and none was given')
    return made
  }

  /** The session is over, and its ship is there for the next. */
  async giveBack(allocation: string): Promise<void> {
    const sent = { param: { allocation }, query: { afterUse: 'ready' as const } }
    await answerOf(this.#api.admin.v1.allocations[':allocation'].$delete(sent))
  }

  /** The session is over, and its ship ends with it. */
  async endSession({ id, attempt, host }: Ship): Promise<void> {
    const client = this.#hosts[this.#indexOf(host)] as Client
    await report(client, { ship: id, attempt, state: 'Stopped', reason: 'the session is over', exit: null })
  }

  /** Its health checks fail from now on. */
  async fallIll(ship: string): Promise<void> {
    const { attempt, host } = this.ships().find(({ id }) => id === ship) as Ship
    const client = this.#hosts[this.#indexOf(host)] as Client
    await report(client, { ship, attempt, state: 'Unhealthy', reason: 'no answer' })
  }

  async #work(host: Client, index: number): Promise<void> {
    const ships = this.ships()
    const mine = ({ id, host }: Ship) =>
      (host ? this.#indexOf(host) : hash(id) % this.#hosts.length) === index
    const queued = ships.filter(
      (ship) => (ship.state === 'Queued' || ship.state === 'Starting') && mine(ship),
    )
    const attempts = queued.map(({ id, attempt }) => ({ ship: id, attempt }))
    if (attempts.length > 0) await claim(host, attempts)
    const revisions = new Map(ships.map(({ id, blueprint }) => [id, blueprint.revision]))
    const crashes = (id: string) => this.broken.has(revisions.get(id) ?? 0)
    const stopping = ships.filter((ship) => ship.state === 'Stopping' && mine(ship))
    const changes = [
      ...attempts.map((of) =>
        crashes(of.ship)
          ? { ...of, state: 'Returned' as const, reason: 'it ended with code 1', fault: true, exit: null }
          : { ...of, state: 'Ready' as const },
      ),
      ...stopping.map(({ id, attempt }) => ({
        ...{ ship: id, attempt, state: 'Stopped' as const },
        ...{ reason: 'it was stopped', exit: null },
      })),
    ]
    if (changes.length > 0) await report(host, ...changes)
    await this.#resize(host, ships.filter(mine))
  }

  async #resize(host: Client, ships: readonly Ship[]): Promise<void> {
    const resized = ships.flatMap((ship) => {
      const { id, attempt, resize } = ship
      const refused = resize?.state === 'pending' ? this.refusal(ship) : undefined
      return resize && refused !== undefined ? [{ ship: id, attempt, n: resize.n, refused }] : []
    })
    if (resized.length === 0) return
    const json = { changes: [], holdings: null, host: null, ships: [], resized }
    await answerOf(host.v1.monitor.reports.$post({ json }))
  }

  #indexOf(host: string | null): number {
    return Number(host?.split('-').at(-1))
  }
}

function hash(id: string): number {
  let sum = 0
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) % 65_521
  return sum
}
