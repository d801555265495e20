// The engine's events, for speed only: dockerd keeps 256 of them and skips slow readers.
import type { Readable } from 'node:stream'
import type { Engine } from './engine.ts'
import { EngineError } from './engineError.ts'
import { label } from './label.ts'

/** Calls back whenever a container of the host ends; ends itself with the signal. @throws EngineError */
export async function onEnds(
  engine: Engine,
  host: string,
  signal: AbortSignal,
  heard: () => void,
): Promise<void> {
  const filters = JSON.stringify({
    type: ['container'],
    event: ['die', 'oom'],
    label: [`${label.host}=${host}`],
  })
  const stream = (await engine.ask('events', 10_000, () =>
    engine.docker.getEvents({ filters, abortSignal: signal } as { filters: string }),
  )) as Readable
  try {
    for await (const _ of stream) heard()
  } catch (error) {
    if (!signal.aborted) throw EngineError.from(error, 'listening to events')
  } finally {
    stream.destroy()
  }
}
