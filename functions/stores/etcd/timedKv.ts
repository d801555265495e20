// A key-value store that tells how long each of its calls took.

import type { StoreWatch } from '../storeWatch.ts'
import type { Kv } from './kv.ts'

export function timedKv(kv: Kv, watch: StoreWatch): Kv {
  async function timed<T>(operation: string, call: () => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    let ok = false
    try {
      const answer = await call()
      ok = true
      return answer
    } finally {
      watch.called('etcd', operation, performance.now() - startedAt, ok)
    }
  }

  return {
    get: (key) => timed('get', () => kv.get(key)),
    list: (prefix, revision) => timed('list', () => kv.list(prefix, revision)),
    page: (first, end, limit) => timed('page', () => kv.page(first, end, limit)),
    commit: (conditions, writes) => timed('commit', () => kv.commit(conditions, writes)),
    commitEach: (parts) => timed('commit', () => kv.commitEach(parts)),
    get heard() {
      return kv.heard
    },
    lease: (seconds) => timed('lease', () => kv.lease(seconds)),
    revoke: (lease) => timed('revoke', () => kv.revoke(lease)),
    newerThan: (prefix, revision) => timed('newerThan', () => kv.newerThan(prefix, revision)),
    revision: () => timed('revision', () => kv.revision()),
    watch: (prefix, revision, handlers) => kv.watch(prefix, revision, handlers),
    history: (from, to) => kv.history(from, to),
    close: () => kv.close(),
  }
}
