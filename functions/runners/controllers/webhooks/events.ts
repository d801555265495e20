// The ApiServer's stream of events, as deliverers read it.
import { follow } from '../../../../shared/api/follow.ts'
import { messageOf } from '../../../../shared/errors.ts'
import type { Log } from '../../../../shared/log.ts'
import type { Settings } from '../../../../shared/settings.ts'
import type { EventSource } from './deliverer.ts'

export function eventsOf(
  { api, runnerToken }: Pick<Settings<'runner'>, 'api' | 'runnerToken'>,
  log: Log,
): EventSource {
  const url = `${api}/v1/events?watch=true`
  const onBreak = (error: unknown) => log.debug({ error: messageOf(error) }, 'a stream of events broke off')
  return (lastEventId, signal) => follow({ url, token: runnerToken, signal, lastEventId, onBreak })
}
