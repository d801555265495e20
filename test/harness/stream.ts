// Reading streams of events in tests.
import { fetch } from 'undici'
import type { Stack } from '../../infra/stack/stack.ts'
import type { StreamEvent } from '../../shared/api/eventStream.ts'
import { type FollowOptions, follow } from '../../shared/api/follow.ts'
import type { ProblemCode } from '../../shared/errors.ts'
import { type ApiServer, adminToken } from './apiServer.ts'
import { refused } from './twoServers.ts'

export interface Reading {
  /** All that came, in order. */
  got: StreamEvent[]
  /** The id to go on from. */
  lastId(): string | undefined
  stop(): Promise<void>
  /** Resolves when reading has ended with this error. */
  failed(code: ProblemCode): Promise<void>
}

const running = new Set<AbortController>()

/** Stops what failed tests have left. */
export function stopReading(): void {
  for (const reading of running) reading.abort()
}

/** Reads a path of one ApiServer, or by turns of several, until it is stopped. */
export function read(
  apis: ApiServer | readonly ApiServer[],
  path: string,
  options: Partial<FollowOptions> = {},
): Reading {
  const stopping = new AbortController()
  running.add(stopping)
  const got: StreamEvent[] = []
  const url = (Array.isArray(apis) ? apis : [apis]).map((api: ApiServer) => api.url + path)
  let lastId = options.lastEventId
  const reading = (async () => {
    for await (const event of follow({ url, token: adminToken, signal: stopping.signal, ...options })) {
      got.push(event)
      if (event.id) lastId = event.id
    }
  })()
  reading.catch(() => undefined)
  return {
    got,
    failed: (code) => refused(reading, code),
    lastId: () => lastId,
    async stop() {
      stopping.abort()
      await reading
    },
  }
}

/** Makes etcd forget what happened up to now. */
export async function compact(stack: Stack): Promise<number> {
  const post = async (path: string, body: object) => {
    const answer = await fetch(stack.etcd.address + path, { method: 'POST', body: JSON.stringify(body) })
    return (await answer.json()) as { header: { revision: string } }
  }
  const { header } = await post('/v3/kv/range', { key: 'AA==' })
  await post('/v3/kv/compaction', { revision: header.revision, physical: true })
  return Number(header.revision)
}
