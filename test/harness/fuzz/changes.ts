// Which records of the stores have changed, as etcd's own watch and ZooKeeper's nodes tell.
import { connectEtcd } from '../../../functions/stores/etcd/etcd.ts'
import type { Kv } from '../../../functions/stores/etcd/kv.ts'
import type { Log } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { until } from '../until.ts'

/** What is no resource: refusals are answers under an Idempotency-Key as well, and the audit log tells of them. */
const apart = /^\/armada\/(answers|api-servers|audit|fuzz-mark|waiters)(\/|$)/
const mark = '/armada/fuzz-mark'

/** A host's new credential takes over when it is first shown, whatever it is shown for. */
const credentials = new Set(['credentialDigest', 'nextDigest', 'previous'])

export class Changes {
  readonly #contents = new Map<string, string>()
  readonly #kv: Kv
  readonly #zk: ZooKeeper
  readonly #watch: { close(): Promise<void> }
  #changed: string[] = []
  #marked = 0

  private constructor(kv: Kv, zk: ZooKeeper, revision: number) {
    this.#kv = kv
    this.#zk = zk
    this.#watch = kv.watch('/armada/', revision, {
      changes: (changes) => {
        for (const { key, value, revision } of changes) {
          if (key === mark) this.#marked = revision
          else if (!apart.test(key) && this.#note(key, value)) this.#changed.push(key)
        }
      },
      connected: () => undefined,
      gap: (reason) => this.#changed.push(`the watch broke: ${reason}`),
    })
  }

  static async open(etcd: string, zookeeper: string, log: Log): Promise<Changes> {
    const kv = connectEtcd(etcd)
    const zk = await ZooKeeper.connect({ servers: zookeeper, log, sessionTimeoutMs: 10_000 })
    return new Changes(kv, zk, await kv.revision())
  }

  /** Whether something else than a credential has changed. */
  #note(key: string, value: string | undefined): boolean {
    const before = this.#contents.get(key)
    const plain = value && key.startsWith('/armada/hosts/') ? withoutCredentials(value) : value
    if (plain === undefined) this.#contents.delete(key)
    else this.#contents.set(key, plain)
    return plain === undefined || plain !== before
  }

  /** What `act` changed, and nothing that others had changed before it. */
  async during(act: () => Promise<unknown>): Promise<string[]> {
    const before = await this.#nodes()
    await this.#upToNow()
    await act()
    const changed = await this.#upToNow()
    const after = await this.#nodes()
    const nodes = [...new Set([...before.keys(), ...after.keys()])]
    return [...changed, ...nodes.filter((path) => before.get(path) !== after.get(path))]
  }

  async close(): Promise<void> {
    await this.#watch.close()
    await this.#zk.close()
    this.#kv.close()
  }

  /** Waits until the watch has told everything up to now. @returns what it told since the last time. */
  async #upToNow(): Promise<string[]> {
    const revision = (await this.#kv.commit([], [{ put: mark, value: '' }])) ?? 0
    await until(() => this.#marked >= revision)
    const changed = this.#changed
    this.#changed = []
    return changed
  }

  /** Every node that the ApiServer writes, with its version. */
  async #nodes(): Promise<Map<string, number>> {
    const nodes = new Map<string, number>()
    const version = async (path: string) => nodes.set(path, (await this.#zk.exists(path))?.version ?? -1)
    for (const name of (await this.#zk.children(paths.schedulerQueue)) ?? []) nodes.set(name, 0)
    for (const host of (await this.#zk.children(paths.advisors)) ?? []) await version(paths.advisor(host))
    for (const host of (await this.#zk.children(paths.workers)) ?? []) {
      for (const job of (await this.#zk.children(paths.workerQueue(host))) ?? [])
        nodes.set(`${host} ${job}`, 0)
    }
    return nodes
  }
}

function withoutCredentials(host: string): string {
  return JSON.stringify(JSON.parse(host), (name, value) => (credentials.has(name) ? undefined : value))
}
