// The commands of the CLI that bring a fleet to another revision.
import { answerOf } from '../../shared/api/client.ts'
import type { RolloutView } from '../../shared/model/rollout.ts'
import { table } from '../screen.ts'
import { type Answer, type Commands, wholeNumber } from './command.ts'

interface Seen {
  name: string
  blueprint: { name: string; revision: number }
  rollout: RolloutView | null
  message: string | null
}

export const rolloutCommands: Commands = {
  rollout: {
    takes: ['<fleet>', '[revision|latest]'],
    about: 'bring its ships to another revision, or show how far that is; `latest` also follows later ones',
    options: ['strategy'],
    async run(client, [fleet = '', wanted], { strategy }) {
      const param = { fleet }
      if (wanted === undefined && strategy === undefined) {
        return shown(await answerOf(client.v1.fleets[':fleet'].$get({ param })))
      }
      const json = {
        ...(wanted && {
          revision: wanted === 'latest' ? ('latest' as const) : wholeNumber('revision', wanted),
        }),
        ...(strategy && { strategy: strategyOf(strategy) }),
      }
      return shown(await answerOf(client.v1.fleets[':fleet'].$patch({ param, json, header: {} })))
    },
  },
  promote: {
    takes: ['<fleet>'],
    about: 'let all its ships follow the canaries now',
    async run(client, [fleet = '']) {
      const param = { fleet }
      return shown(await answerOf(client.v1.fleets[':fleet'].promote.$post({ param, header: {} })))
    },
  },
  'pause-rollout': {
    takes: ['<fleet>'],
    about: 'leave its rollout as far as it is',
    async run(client, [fleet = '']) {
      const param = { fleet }
      return shown(await answerOf(client.v1.fleets[':fleet'].pause.$post({ param, header: {} })))
    },
  },
  'resume-rollout': {
    takes: ['<fleet>'],
    about: 'let a paused rollout go on',
    async run(client, [fleet = '']) {
      const param = { fleet }
      return shown(await answerOf(client.v1.fleets[':fleet'].resume.$post({ param, header: {} })))
    },
  },
  'rollback-fleet': {
    takes: ['<fleet>', '[revision]'],
    about: 'bring its ships back to the revision before, or to an earlier one',
    async run(client, [fleet = '', revision]) {
      const json = revision ? { revision: wholeNumber('revision', revision) } : {}
      const sent = { param: { fleet }, json, header: {} }
      return shown(await answerOf(client.v1.fleets[':fleet'].rollback.$post(sent)))
    },
  },
}

function strategyOf(text: string) {
  for (const type of ['rolling', 'recreate', 'canary'] as const) if (text === type) return { type }
  throw new Error(`--strategy must be rolling, recreate or canary, not "${text}".`)
}

function shown(data: Seen): Answer {
  const { name, blueprint, rollout, message } = data
  const revision = `${blueprint.name} ${blueprint.revision}`
  if (!rollout) return { text: `${name} has revision ${revision}; it has had no other`, data }
  const { state, updated, outdated, total, since, reason } = rollout
  const serving = updated.ready + updated.inUse
  const row = [
    name,
    revision,
    rollout.paused ? `${state} (paused)` : state,
    `${serving}/${total}`,
    String(outdated.ready),
    String(outdated.inUse),
    since,
  ]
  const header = ['FLEET', 'REVISION', 'ROLLOUT', 'UPDATED', 'OLD READY', 'OLD IN USE', 'SINCE']
  const { resized } = rollout
  const inPlace =
    resized && `limits in place: ${resized.done} done, ${resized.pending} pending, ${resized.refused} refused`
  const notes = [reason, inPlace ?? null, message]
    .filter((note) => note !== null)
    .map((note) => `\n  ${note}`)
  return { text: table(header, [row]) + notes.join(''), data }
}
