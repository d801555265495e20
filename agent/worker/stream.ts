// The stream from the ApiServer: at every new connection, and when it says so, hello is said again.
import { eventStream } from '../../shared/api/eventStream.ts'
import { loop } from '../../shared/loop.ts'
import type { Crew } from './crew.ts'

export async function followStream(crew: Crew, url: string, credential: { token: string }): Promise<void> {
  const { ask, signal, log } = crew
  const at = `${url}/v1/monitor/stream`
  await loop({ name: 'stream', everyMs: 1_000, signal, log }, async () => {
    let opened = false
    for await (const { event } of eventStream({ url: at, token: credential.token, signal })) {
      if (!opened || event === 'resync') ask.ring()
      opened = true
    }
    log.info({}, 'the stream of the ApiServer ended and is opened again')
  })
}
