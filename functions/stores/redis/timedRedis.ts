// A connection to Redis that tells how long each of its commands took.
import type { Redis } from 'ioredis'
import type { StoreWatch } from '../storeWatch.ts'

export function timedRedis(redis: Redis, watch: StoreWatch): Redis {
  const send = redis.sendCommand.bind(redis)
  // Every command goes through here, those of a pipeline one by one.
  redis.sendCommand = (command, stream) => {
    const startedAt = performance.now()
    const told = (ok: boolean) => () => watch.called('redis', command.name, performance.now() - startedAt, ok)
    command.promise.then(told(true), told(false))
    return send(command, stream)
  }
  return redis
}
