// The connection to Redis, with limits fit for requests that people wait for.
import { type ChainableCommander, Redis } from 'ioredis'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'

/** @param address `host:port`, or a `redis://` or `rediss://` URL. */
export function connectRedis(address: string, log: Log): Redis {
  // Without these a paused Redis holds a call for ever, and a stopped one for seconds.
  const redis = new Redis(urlOf(address), {
    commandTimeout: 500,
    connectTimeout: 1_000,
    maxRetriesPerRequest: 1,
    enableAutoPipelining: true,
    retryStrategy: (attempt) => Math.min(100 * attempt, 1_000),
  })
  let down = false
  redis.on('error', (error) => {
    if (!down) log.warn({ error: messageOf(error) }, 'Redis does not answer')
    down = true
  })
  redis.on('ready', () => {
    if (down) log.info({}, 'Redis answers again')
    down = false
  })
  return redis
}

/** A connection that only listens. What it listened to when it broke is for its owner to ask for, at each 'ready'. */
export function connectSubscriber(address: string): Redis {
  const redis = new Redis(urlOf(address), {
    commandTimeout: 1_000,
    connectTimeout: 1_000,
    maxRetriesPerRequest: 1,
    // By itself ioredis forgets the channels when the next connection breaks as well, and leaves a rejection to nobody.
    autoResubscribe: false,
    retryStrategy: (attempt) => Math.min(100 * attempt, 1_000),
  })
  // The connection that asks says so when Redis is away.
  redis.on('error', () => undefined)
  return redis
}

/** Calls back with what is heard. What cannot be read is passed over: ioredis would let the error end the process. */
export function onMessage(
  subscriber: Redis,
  log: Log,
  listener: (channel: string, text: string) => void,
): void {
  subscriber.on('message', (channel: string, text: string) => {
    try {
      listener(channel, text)
    } catch (error) {
      log.warn({ channel, error: messageOf(error) }, 'a message from Redis cannot be read')
    }
  })
}

/** Listens to these channels on every connection that is made. */
export function keepListening(subscriber: Redis, channels: () => string[]): void {
  subscriber.on('ready', () => {
    subscriber.subscribe(...channels()).catch(() => subscriber.disconnect(true))
  })
}

/** A connection for one question: it says nothing else, and it is not opened again. */
export function connectRedisOnce(address: string, log: Log): Redis {
  const limitMs = 1_500
  const redis = new Redis(urlOf(address), {
    commandTimeout: limitMs,
    connectTimeout: limitMs,
    retryStrategy: () => null,
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
  })
  redis.on('error', (error) => log.warn({ error: messageOf(error) }, 'Redis does not answer'))
  return redis
}

function urlOf(address: string): string {
  return address.includes('://') ? address : `redis://${address}`
}

/** @throws ArmadaError unavailable in place of any error of Redis. */
export async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw new ArmadaError('unavailable', `Redis does not answer: ${messageOf(error)}`, {
      cause: error,
      retryAfterSeconds: 1,
    })
  }
}

/** The answers of a pipeline or transaction, all of them. @throws ArmadaError unavailable when one failed. */
export async function answeredAll(batch: ChainableCommander): Promise<unknown[]> {
  return answered(
    batch.exec().then((results) => {
      if (!results) throw new Error('the transaction was not carried out')
      return results.map(([error, result]) => {
        if (error) throw error
        return result
      })
    }),
  )
}
