// The engine's events, for speed only: dockerd keeps 256 of them and skips slow readers.
import type { Engine } from './engine.ts'
import { EngineError } from './engineError.ts'
import { label } from './label.ts'
import { jsonLines } from './lines.ts'

/** Calls back with the id of each container of the host that ends; ends itself with the signal. @throws EngineError */
export async function onEnds(
  engine: Engine,
  host: string,
  signal: AbortSignal,
  heard: (containerId: string) => void,
): Promise<void> {
  const filters = JSON.stringify({
    type: ['container'],
    event: ['die'],
    label: [`${label.host}=${host}`],
  })
  const stream = await engine.open('events', signal, (abortSignal) =>
    engine.docker.getEvents({ filters, abortSignal } as { filters: string }),
  )
  try {
    for await (const event of jsonLines(stream)) heard((event as { id?: string }).id ?? '')
  } catch (error) {
    if (!signal.aborted) throw EngineError.from(error, 'listening to events')
  } finally {
    stream.destroy()
  }
}
