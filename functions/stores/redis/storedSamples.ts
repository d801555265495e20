// Samples as Redis has them: for the edge, where nothing lives longer than a request.
import type { Redis } from 'ioredis'
import { redisKeys } from '../keys.ts'
import type { Sample, SampleLookups } from '../lookups.ts'

/** A Redis that does not answer has none: they are decoration. */
export function storedSamples(redis: Redis): SampleLookups {
  async function textsOfShips(ids: readonly string[]): Promise<(string | null)[]> {
    if (ids.length === 0) return []
    return redis.hmget(redisKeys.ships, ...ids).catch(() => ids.map(() => null))
  }

  return {
    textsOfShips,
    ofShips: async (ids) =>
      (await textsOfShips(ids)).map((text) => (text ? (JSON.parse(text) as Sample) : null)),
  }
}
