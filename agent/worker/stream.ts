// The stream from the ApiServer: at every new connection, and when it says so, hello is said again; sessions that
// are called are passed on.
import { eventStream } from '../../shared/api/eventStream.ts'
import { loop } from '../../shared/loop.ts'
import type { Crew } from './crew.ts'

export interface StreamOptions {
  url: string
  credential: { readonly token: string }
  /** Somebody wants to read what a ship prints, or to write to its console. */
  onSession: (call: string) => void
  /** No answer may show less of the cluster than this revision. */
  onRevision: (revision: number) => void
  /** A ship that speaks an SDK has changed: what it is now, as JSON. */
  onShip: (text: string) => void
}

export async function followStream(crew: Crew, options: StreamOptions): Promise<void> {
  const { ask, signal, log } = crew
  const { url, credential, onSession, onRevision, onShip } = options
  const at = `${url}/v1/monitor/stream`
  await loop({ name: 'stream', everyMs: 1_000, signal, log }, async () => {
    let opened = false
    for await (const { event, data } of eventStream({ url: at, token: credential.token, signal })) {
      // An older ApiServer names no revision.
      if (event === 'resync' && data !== '') onRevision(Number(data))
      if (!opened || event === 'resync') ask.ring()
      opened = true
      if (event === 'session') onSession(data)
      if (event === 'ship') onShip(data)
    }
    log.info({}, 'the stream of the ApiServer ended and is opened again')
  })
}
