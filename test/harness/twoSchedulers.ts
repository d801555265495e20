// An ApiServer and two schedulers as they are shipped, in processes of their own, for hosts that are simulated.
import { join } from 'node:path'
import { startApi, startRunner } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import type { Log } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { adminToken, runnerToken } from './apiServer.ts'
import { until } from './until.ts'

type ShipRequest = Parameters<Client['v1']['ships']['$post']>[0]['json']

const dist = join(import.meta.dirname, '..', '..', 'dist')

export class TwoSchedulers {
  readonly url: string
  readonly zookeeper: string
  readonly admin: Client
  readonly #scratch: Scratch
  readonly #stack: Stack
  readonly #zk: ZooKeeper
  readonly #log: Log
  readonly #servers: Server[] = []

  private constructor(scratch: Scratch, stack: Stack, zk: ZooKeeper, url: string, log: Log) {
    this.#scratch = scratch
    this.#stack = stack
    this.#zk = zk
    this.#log = log
    this.url = url
    this.zookeeper = stack.zookeeper.address
    this.admin = connect({ url, token: adminToken, limitMs: 60_000 })
  }

  /** Resolves when the ApiServer answers. */
  static async open(log: Log): Promise<TwoSchedulers> {
    const scratch = await scratchDir()
    const stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
    const zk = await ZooKeeper.connect({ servers: stack.zookeeper.address, log })
    const listenPort = await freePort()
    const two = new TwoSchedulers(scratch, stack, zk, `http://127.0.0.1:${listenPort}`, log)
    const stores = { etcd: stack.etcd.address, redis: stack.redis.address, zookeeper: two.zookeeper }
    const settings = { ...stores, listenPort, adminToken, runnerToken, logLevel: 'warn' as const }
    two.#servers.push(await startApi(settings, { dist, endWithParent: true, log, dir: scratch.dir }))
    return two
  }

  /** @returns the one that leads. */
  async start(sessionMs: number): Promise<Server> {
    const first = await this.#startScheduler('first', sessionMs)
    await until(async () => (await this.#candidates()) === 1, 30_000)
    await this.#startScheduler('second', sessionMs)
    await until(async () => (await this.#candidates()) === 2, 30_000)
    return first
  }

  /** Asks again, with the same key, when a connection breaks or a store is too busy. @returns their ids. */
  async create(json: ShipRequest, key: string): Promise<string[]> {
    for (let tries = 1; ; tries++) {
      try {
        const request = this.admin.v1.ships.$post({ json, header: { 'idempotency-key': key } })
        return (await answerOf(request)).ships.map((ship) => ship.id)
      } catch (error) {
        if (tries === 30) throw error
        await sleep(1_000)
      }
    }
  }

  async close(): Promise<void> {
    await this.#zk.close()
    for (const server of this.#servers.reverse()) await server.kill()
    await this.#stack.stop()
    await this.#scratch.remove()
  }

  async #startScheduler(name: string, sessionMs: number): Promise<Server> {
    const options = {
      zookeeper: this.zookeeper,
      api: this.url,
      runnerToken,
      sessionMs,
      logLevel: 'warn' as const,
    }
    const launch = { dist, endWithParent: true, log: this.#log, dir: join(this.#scratch.dir, name) }
    const server = await startRunner('scheduler', options, launch)
    this.#servers.push(server)
    return server
  }

  async #candidates(): Promise<number> {
    return ((await this.#zk.children(paths.schedulerElection)) ?? []).length
  }
}
