// etcd behind the Kv interface, with etcd3 tamed: no circuit breaker, a deadline on every call, so many at once.
import { bulkhead, isBulkheadRejectedError, noop } from 'cockatiel'
import { Etcd3, type IKeyValue, Range } from 'etcd3'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import { follow, history, type KeyRange } from './etcdWatch.ts'
import {
  type Condition,
  type KeyValue,
  type Kv,
  type Part,
  type PartResult,
  TooLargeError,
  type Write,
} from './kv.ts'

const pageSize = 500
/**
 * When a thousand hosts ask at once, a call whose answer is there, but that comes to its turn after its deadline, is
 * made in vain and made again: the ApiServer then does little else. The deadline begins when a call's turn has come.
 */
const callsAtOnce = 256
const mostWaiting = 20_000

/**
 * @param addresses `host:port` or URLs, several separated by commas.
 * @param limitMs deadline of one call.
 */
export function connectEtcd(addresses: string, limitMs = 2_000): Kv {
  // With its defaults etcd3 answers every call with an error for 5 s after a single failure, waits for ever
  // on a server that is paused, and refuses answers over 4 MiB.
  const client = new Etcd3({
    hosts: addresses.split(',').map((address) => (address.includes('://') ? address : `http://${address}`)),
    faultHandling: { host: () => noop, global: noop },
    defaultCallOptions: (call) => (call.isStream ? {} : { deadline: Date.now() + limitMs }),
    grpcOptions: {
      'grpc.max_receive_message_length': -1,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.initial_reconnect_backoff_ms': 100,
    },
  })

  let heard = 0
  const turnstile = bulkhead(callsAtOnce, mostWaiting)

  async function answered<T extends { header?: { revision: string } }>(call: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + limitMs
    try {
      const answer = await turnstile.execute(() => {
        // While etcd hangs nobody waits for longer than two calls may take.
        if (performance.now() > endMs) throw new Error(`${callsAtOnce} other calls have no answer either`)
        return call()
      })
      heard = Math.max(heard, Number(answer.header?.revision ?? 0))
      return answer
    } catch (error) {
      if (isBulkheadRejectedError(error)) throw tooMany(error)
      if (isFull.test(messageOf(error))) throw full(addresses, error)
      if (isTooLarge.test(messageOf(error))) throw new TooLargeError(error)
      throw new ArmadaError('unavailable', `etcd at ${addresses} does not answer: ${messageOf(error)}`, {
        cause: error,
        retryAfterSeconds: 1,
      })
    }
  }

  async function get(key: string): Promise<KeyValue | undefined> {
    const { kvs } = await answered(() => client.get(key).exec())
    return kvs[0] && keyValue(kvs[0])
  }

  async function revision(): Promise<number> {
    const { header } = await answered(() => client.kv.range({ key: Buffer.from('/'), keys_only: true }))
    return Number(header.revision)
  }

  async function newerThan(prefix: string, revision: number): Promise<number | undefined> {
    const { end } = Range.prefix(prefix)
    const newer = { min_mod_revision: String(revision + 1), limit: 1, keys_only: true }
    const { kvs } = await answered(() =>
      client.kv.range({ key: Buffer.from(prefix), range_end: end, ...newer }),
    )
    return kvs[0] && Number(kvs[0].mod_revision)
  }

  async function lease(seconds: number): Promise<string> {
    const { ID } = await answered(() => client.leaseClient.leaseGrant({ TTL: seconds }))
    return ID
  }

  async function revoke(lease: string): Promise<void> {
    await answered(() => client.leaseClient.leaseRevoke({ ID: lease }))
  }

  async function list(prefix: string, at?: number): Promise<{ items: KeyValue[]; revision: number }> {
    const { end } = Range.prefix(prefix)
    const items: KeyValue[] = []
    let start: string | Buffer = prefix
    let revision = at === undefined ? undefined : String(at)
    for (;;) {
      const page = client.getAll().inRange({ start, end }).limit(pageSize)
      const { kvs, more, header } = await answered(() => (revision ? page.revision(revision) : page).exec())
      revision ??= header.revision
      items.push(...kvs.map(keyValue))
      const last = kvs.at(-1)
      if (!more || !last) return { items, revision: Number(revision) }
      start = Buffer.concat([last.key, Buffer.from([0])])
    }
  }

  async function page(first: string, end: string, limit: number): Promise<KeyValue[]> {
    const range = client.getAll().inRange({ start: first, end }).limit(limit)
    return (await answered(() => range.exec())).kvs.map(keyValue)
  }

  async function commit(conditions: Condition[], writes: Write[]): Promise<number | undefined> {
    const txn = { compare: conditions.map(compareOf), success: writes.map(requestOf) }
    const { succeeded, header } = await answered(() => client.kv.txn(txn))
    return succeeded ? Number(header.revision) : undefined
  }

  async function commitEach(parts: readonly Part[]): Promise<PartResult[]> {
    const success = parts.map(({ conditions, writes, otherwise }) => ({
      request_txn: {
        compare: conditions.map(compareOf),
        success: writes.map(requestOf),
        failure: otherwise.map((key) => ({ request_range: { key: Buffer.from(key) } })),
      },
    }))
    const { responses, header } = await answered(() => client.kv.txn({ compare: [], success }))
    return responses.map(({ response_txn: { succeeded, responses } }) => {
      if (succeeded) return { revision: Number(header.revision) }
      return { found: responses.map(({ response_range: { kvs } }) => kvs[0] && keyValue(kvs[0])) }
    })
  }

  return {
    get heard() {
      return heard
    },
    get,
    list,
    page,
    lease,
    revoke,
    revision,
    newerThan,
    commit,
    commitEach,
    watch: (prefix, revision, handlers) => follow(client.watchClient, rangeOf(prefix), revision, handlers),
    history: (from, to) => history(client.watchClient, from, to),
    close: () => client.close(),
  }
}

function compareOf(condition: Condition) {
  const key = Buffer.from(condition.key)
  if ('value' in condition)
    return { key, target: 'Value' as const, result: 'Equal' as const, value: Buffer.from(condition.value) }
  return { key, target: 'Mod' as const, result: 'Equal' as const, mod_revision: String(condition.revision) }
}

function requestOf(write: Write) {
  if ('delete' in write) return { request_delete_range: { key: Buffer.from(write.delete) } }
  const value = Buffer.from(write.value)
  return { request_put: { key: Buffer.from(write.put), value, lease: write.lease ?? 0 } }
}

function rangeOf(prefix: string): KeyRange {
  const { start, end } = Range.prefix(prefix)
  return { start: Buffer.from(start), end: Buffer.from(end) }
}

function tooMany(cause: unknown): ArmadaError {
  return new ArmadaError(
    'unavailable',
    `${mostWaiting} calls wait for etcd at this ApiServer already. Try again.`,
    { cause, retryAfterSeconds: 2 },
  )
}

/** Of etcd, and of gRPC before it from 2 MB on. */
const isTooLarge = /request is too large|received message larger than max/
const isFull = /database space exceeded|NOSPACE/

function full(addresses: string, cause: unknown): ArmadaError {
  return new ArmadaError(
    'unavailable',
    `etcd at ${addresses} has used up its space (alarm NOSPACE) and takes no writes; lookups go on. Run "etcdctl ` +
      'compact" and "etcdctl defrag", raise --quota-backend-bytes if it fills up again, then "etcdctl alarm disarm".',
    { cause, retryAfterSeconds: 30 },
  )
}

function keyValue(kv: IKeyValue): KeyValue {
  return { key: kv.key.toString(), value: kv.value.toString(), revision: Number(kv.mod_revision) }
}
