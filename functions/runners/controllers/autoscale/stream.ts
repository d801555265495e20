// The ApiServer's stream of the list of fleets: a fleet comes whenever something happens to it or to its ships.
import { follow } from '../../../../shared/api/follow.ts'
import { messageOf } from '../../../../shared/errors.ts'
import type { Log } from '../../../../shared/log.ts'
import type { Settings } from '../../../../shared/settings.ts'
import type { AutoscaleParts } from './keepAutoscaled.ts'

export function fleetsOf(
  { api, runnerToken }: Pick<Settings<'runner'>, 'api' | 'runnerToken'>,
  log: Log,
): AutoscaleParts['fleets'] {
  const url = `${api}/v1/fleets?watch=true`
  const onBreak = (error: unknown) => log.debug({ error: messageOf(error) }, 'the stream of fleets broke off')
  return (signal) => follow({ url, token: runnerToken, signal, onBreak })
}
