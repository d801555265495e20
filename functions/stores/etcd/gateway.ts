// etcd through its JSON gateway, by fetch alone: as much of the key-value store as lookups take.
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import type { KeyValue, KvReader } from './kv.ts'

const pageSize = 100

/** What the gateway answers to a range: bytes in base64, 64-bit numbers as text, and no field that is empty. */
interface RangeAnswer {
  header: { revision: string }
  kvs?: { key: string; value?: string; mod_revision: string }[]
  more?: boolean
}

export interface GatewayOptions {
  /** `host:port` or URLs, several separated by commas; asked in turn until one answers. */
  addresses: string
  log: Log
  /** Deadline of one call to one address. */
  limitMs?: number
}

export function openGateway({ addresses, log, limitMs = 2_000 }: GatewayOptions): KvReader {
  const urls = addresses
    .split(',')
    .map((address) => `${address.includes('://') ? address : `http://${address}`}/v3/kv/range`)

  async function range(request: object): Promise<RangeAnswer> {
    let failure: unknown
    for (const url of urls) {
      try {
        return await ask(url, request)
      } catch (error) {
        failure = error
        log.warn({ url, error: messageOf(error) }, 'etcd does not answer')
      }
    }
    throw new ArmadaError('unavailable', 'etcd does not answer. Try again.', {
      cause: failure,
      retryAfterSeconds: 1,
    })
  }

  async function ask(url: string, request: object): Promise<RangeAnswer> {
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify(request),
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(limitMs),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`)
    return JSON.parse(text)
  }

  return {
    async get(key) {
      const { kvs = [] } = await range({ key: toBase64(Buffer.from(key)) })
      return kvs[0] && keyValue(kvs[0])
    },

    async list(prefix) {
      const first = Buffer.from(prefix)
      const range_end = toBase64(endOf(first))
      const items: KeyValue[] = []
      let start = first
      let revision: string | undefined
      for (;;) {
        const { header, kvs, more } = await range({
          key: toBase64(start),
          range_end,
          limit: pageSize,
          ...(revision && { revision }),
        })
        revision ??= header.revision
        items.push(...(kvs ?? []).map(keyValue))
        const last = kvs?.at(-1)
        if (!more || !last) return { items, revision: Number(revision) }
        start = Buffer.concat([Buffer.from(last.key, 'base64'), Buffer.from([0])])
      }
    },
  }
}

function keyValue({ key, value = '', mod_revision }: NonNullable<RangeAnswer['kvs']>[number]): KeyValue {
  return { key: toText(key), value: toText(value), revision: Number(mod_revision) }
}

/** The first key behind all that begin with the prefix. Our prefixes end in "/", never in the highest byte. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  const last = end.length - 1
  end[last] = (end[last] ?? 0) + 1
  return end
}

function toBase64(bytes: Buffer): string {
  return bytes.toString('base64')
}

function toText(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}
