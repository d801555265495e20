// Fleets under the controller of fleets, on real stores and two ApiServers, with simulated hosts that claim, start and stop.
import { setMaxListeners } from 'node:events'
import { keepAutoscaled } from '../../functions/runners/controllers/autoscale/keepAutoscaled.ts'
import { fleetsOf } from '../../functions/runners/controllers/autoscale/stream.ts'
import { keepFleets } from '../../functions/runners/controllers/fleets/keepFleets.ts'
import { AddressGuard } from '../../shared/addressGuard.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { Bell } from '../../shared/loop.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isInUse } from '../../shared/model/shipState.ts'
import { runnerToken } from './apiServer.ts'
import { FleetCrew } from './fleetCrew.ts'
import { publish, startTwoServers, type TwoServers } from './twoServers.ts'
import { until } from './until.ts'

export const patienceMs = 90_000

export class KeptFleets {
  readonly servers: TwoServers
  readonly #stop = new AbortController()
  readonly #running: Promise<unknown>[] = []

  /** With three revisions of the blueprint `arena`. @param scaled also their policies are kept. */
  static async start({ scaled = false } = {}): Promise<KeptFleets> {
    const kept = new KeptFleets(await startTwoServers())
    const { a } = kept.servers
    for (const VERSION of ['1', '2', '3']) await publish(a, 'arena', { env: { VERSION } })
    const epoch = await a.lead('controllers')
    const log = createLog('controllers', process.env.ARMADA_LOG ?? 'silent')
    const options = { client: a.runner, epoch, log, signal: kept.#stop.signal }
    const bell = new Bell()
    kept.#running.push(keepFleets(options, bell))
    if (!scaled) return kept
    const streamed = fleetsOf({ api: a.url, runnerToken }, log)
    const autoscale = { fleets: streamed, guard: new AddressGuard(''), scaled: bell }
    kept.#running.push(keepAutoscaled({ ...options, ...autoscale }))
    return kept
  }

  private constructor(servers: TwoServers) {
    this.servers = servers
    // Every host of every fleet waits on it.
    setMaxListeners(0, this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
    await this.servers.stop()
  }

  get api() {
    return this.servers.a.admin.v1.fleets
  }

  get(fleet: string) {
    return answerOf(this.api[':fleet'].$get({ param: { fleet } }))
  }

  patch(fleet: string, json: object) {
    return answerOf(this.api[':fleet'].$patch({ param: { fleet }, json: json as never, header: {} }))
  }

  rollback(fleet: string, json: { revision?: number } = {}) {
    return answerOf(this.api[':fleet'].rollback.$post({ param: { fleet }, json, header: {} }))
  }

  /** A fleet of revision 1, with its hosts, once all of it is Ready. */
  async sail(name: string, replicas: number, more: object = {}): Promise<FleetCrew> {
    const crew = await FleetCrew.join(this.servers.direct[0], name, 3)
    this.#running.push(crew.run(this.#stop.signal))
    const json = { name, blueprint: 'arena', revision: 1, replicas, ...more }
    await answerOf(this.api.$post({ json: json as never }))
    await until(() => readyOf(crew).length === replicas, patienceMs)
    return crew
  }

  /** Resolves when its rollout is in that state. */
  reaches(fleet: string, state: string): Promise<unknown> {
    return until(async () => (await this.get(fleet)).rollout?.state === state, patienceMs)
  }
}

export const readyOf = (crew: FleetCrew) => crew.ships().filter(({ state }) => state === 'Ready')
export const isServing = ({ state }: Ship) => state === 'Ready' || isInUse(state)
