// The command of the CLI about autoscaling.
import { readFileSync } from 'node:fs'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Autoscale, Policy } from '../../shared/model/autoscale.ts'
import { type Commands, type Options, wholeNumber } from './command.ts'

export const autoscaleCommands: Commands = {
  autoscale: {
    takes: ['<fleet>'],
    about: 'have a policy decide its replicas, or show what decides them and why; see --buffer and --policy',
    options: ['buffer', 'counter', 'list', 'players', 'policy', 'min', 'max', 'off'],
    async run(client, [fleet = ''], options) {
      const data = await ordered(client, fleet, options)
      const { replicas, autoscale, autoscaling } = data
      if (!autoscale) return { text: `${fleet}: ${replicas} replicas, as people decide`, data }
      const { policy, min, max } = autoscale
      const why = autoscaling ? `\n  ${autoscaling.why} (${autoscaling.at})` : ''
      return { text: `${fleet}: ${replicas} replicas by ${policy.type}, ${min} to ${max}${why}`, data }
    },
  },
}

async function ordered(client: Client, fleet: string, options: Options) {
  const route = client.v1.fleets[':fleet']
  const param = { fleet }
  const before = await answerOf(route.$get({ param }))
  const autoscale = options.off ? null : scaledBy(options, before.autoscale as Autoscale | undefined)
  return autoscale === undefined ? before : answerOf(route.$patch({ param, json: { autoscale }, header: {} }))
}

/** @returns undefined when nothing is to change. @throws Error that says what is missing. */
function scaledBy(options: Options, before: Autoscale | undefined): Autoscale | undefined {
  if (options.policy !== undefined) return readPolicy(options.policy)
  const policy = policyOf(options)
  const { min, max } = options
  if (!policy && min === undefined && max === undefined) return undefined
  const chosen = policy ?? before?.policy
  if (!chosen) throw new Error('Which policy? Give --buffer, --counter, --list, --players or --policy.')
  if (max === undefined && !before) throw new Error('How many ships at most? Give --max.')
  const wanted = {
    ...before,
    policy: chosen,
    ...(min !== undefined && { min: wholeNumber('min', min) }),
    ...(max !== undefined && { max: wholeNumber('max', max) }),
  }
  // What is missing has defaults, and the ApiServer says what does not fit.
  return wanted as Autoscale
}

/** @throws Error that names the file. */
function readPolicy(file: string): Autoscale {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`--policy takes a file with autoscale as JSON: ${messageOf(error)}`)
  }
}

function policyOf({ buffer, counter, list, players }: Options): Policy | undefined {
  if (buffer !== undefined) return { type: 'buffer', size: amount('buffer', buffer) }
  if (players !== undefined) return { type: 'players', free: amount('players', players) }
  if (counter !== undefined) return { type: 'counter', ...keyed('counter', counter) }
  return list === undefined ? undefined : { type: 'list', ...keyed('list', list) }
}

function keyed(option: string, text: string): { key: string; free: number | string } {
  const [key = '', free] = text.split('=')
  if (!key || free === undefined)
    throw new Error(`--${option} takes its name and what is kept free: rooms=10`)
  return { key, free: amount(option, free) }
}

function amount(option: string, text: string): number | string {
  return text.endsWith('%') ? text : wholeNumber(option, text)
}
