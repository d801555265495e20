// The stores as the edge has them: for lookups only, and without anything that lives longer than a request.

import type { Log } from '../../shared/log.ts'
import type { Host } from '../../shared/model/host.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { BlueprintCopies } from './blueprintCopies.ts'
import { hostOf, shownIn, type TokenRecord, tokenOf } from './credentials.ts'
import { openGateway } from './etcd/gateway.ts'
import { readRow } from './etcd/rows.ts'
import type { Identities } from './identities.ts'
import { etcdKeys } from './keys.ts'
import type { Lookups, SampleLookups } from './lookups.ts'
import { connectRedisOnce } from './redis/redis.ts'
import { storedSamples } from './redis/storedSamples.ts'

export interface EdgeStores extends Pick<Lookups, 'ships' | 'blueprints'> {
  /** Undefined where Redis cannot be reached from the edge. */
  samples: SampleLookups | undefined
  identities: Pick<Identities, 'tokenOf' | 'hostOf'>
}

export interface EdgeStoreSettings {
  etcd: string
  redis: string | undefined
}

export function edgeStores({ etcd, redis }: EdgeStoreSettings, log: Log): EdgeStores {
  const kv = openGateway({ addresses: etcd, log })
  return {
    ships: { get: (id) => readRow<Ship>(kv, etcdKeys.ships + id) },
    blueprints: new BlueprintCopies(kv),
    samples: redis === undefined ? undefined : samplesByRequest(redis, log),
    identities: {
      async tokenOf(text) {
        const shown = shownIn('armada-token', text)
        return shown && tokenOf(shown, (await readRow<TokenRecord>(kv, etcdKeys.tokens + shown.name))?.value)
      },
      async hostOf(credential) {
        const shown = shownIn('armada-host', credential)
        return shown && hostOf(shown, (await readRow<Host>(kv, etcdKeys.hosts + shown.name))?.value)?.host
      },
    },
  }
}

/** A connection for every question: at the edge one that another request opened never answers. */
function samplesByRequest(redis: string, log: Log): SampleLookups {
  return {
    ofShips: (ids) => once((store) => store.ofShips(ids)),
    textsOfShips: (ids) => once((store) => store.textsOfShips(ids)),
  }

  async function once<T>(ask: (store: SampleLookups) => Promise<T>): Promise<T> {
    const connection = connectRedisOnce(redis, log)
    try {
      return await ask(storedSamples(connection))
    } finally {
      connection.disconnect()
    }
  }
}

/** What stands in for the samples while nobody can tell them. */
export const noSamples: SampleLookups = {
  ofShips: async (ids) => ids.map(() => null),
  textsOfShips: async (ids) => ids.map(() => null),
}
