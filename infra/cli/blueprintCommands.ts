// The commands of the CLI about blueprints.
import { readFileSync } from 'node:fs'
import { allOf, answerOf, type Client } from '../../shared/api/client.ts'
import { messageOf } from '../../shared/errors.ts'
import { differences } from '../../shared/model/difference.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'

export const blueprintCommands: Commands = {
  blueprints: {
    takes: [],
    about: 'list the blueprints',
    async run(client) {
      const blueprints = await allOf(
        (page) => client.v1.blueprints.$get({ query: page }),
        ({ blueprints }) => blueprints,
      )
      const rows = blueprints.map(({ name, revision, spec }) => [
        name,
        String(revision),
        spec.image,
        spec.probe.type,
      ])
      return { text: table(['BLUEPRINT', 'REVISION', 'IMAGE', 'PROBE'], rows), data: { blueprints } }
    },
  },
  publish: {
    takes: ['<blueprint>', '<file.json>'],
    about: 'publish a blueprint, or its next revision',
    async run(client, [blueprint = '', file = '']) {
      const json = read(file)
      // Asked before: a command that fails has published nothing.
      const following = await followers(client, blueprint)
      const data = await answerOf(client.v1.blueprints[':blueprint'].$put({ param: { blueprint }, json }))
      const who = following.length > 0 ? `${following.join(', ')} follow; other fleets` : 'fleets'
      const text = `${data.name} is at revision ${data.revision}; ${who} stay at theirs until \`rollout\``
      return { text, data }
    },
  },
  'delete-blueprint': {
    takes: ['<blueprint>'],
    about: 'delete a blueprint that nothing uses',
    async run(client, [blueprint = '']) {
      const data = await answerOf(client.v1.blueprints[':blueprint'].$delete({ param: { blueprint } }))
      return { text: `${data.deleted} is deleted`, data }
    },
  },
  revisions: {
    takes: ['<blueprint>'],
    about: 'list the revisions of a blueprint, newest first; see diff, rollback',
    async run(client, [blueprint = '']) {
      const route = client.v1.blueprints[':blueprint'].revisions
      const data = await answerOf(route.$get({ param: { blueprint } }))
      const rows = data.revisions.map(({ revision, createdAt, spec }, i) => {
        const before = data.revisions[i - 1]?.spec
        const changed = before ? differences(before, spec).map(({ path }) => path) : []
        return [String(revision), createdAt, spec.image, changed.join(', ')]
      })
      return { text: table(['REVISION', 'PUBLISHED', 'IMAGE', 'CHANGED'], rows.reverse()), data }
    },
  },
  diff: {
    takes: ['<blueprint>', '<from>', '[to]'],
    about: 'what changed between two revisions',
    async run(client, [blueprint = '', from = '', to]) {
      const query = { from, ...(to && { to }) }
      const data = await answerOf(
        client.v1.blueprints[':blueprint'].diff.$get({ param: { blueprint }, query }),
      )
      const rows = data.changes.map((one) => [one.path, JSON.stringify(one.from), JSON.stringify(one.to)])
      const same = `  revisions ${data.from} and ${data.to} are the same`
      const text = table(['PATH', `REVISION ${data.from}`, `REVISION ${data.to}`], rows)
      return { text: rows.length > 0 ? text : same, data }
    },
  },
  rollback: {
    takes: ['<blueprint>', '<revision>'],
    about: 'publish an older revision again',
    async run(client, [blueprint = '', revision]) {
      const json = { revision: wholeNumber('revision', revision) }
      const data = await answerOf(
        client.v1.blueprints[':blueprint'].rollback.$post({ param: { blueprint }, json }),
      )
      return { text: `${data.name} is at revision ${data.revision}`, data }
    },
  },
}

function read(file: string) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON: ${messageOf(error)}`)
  }
}

/** The fleets that go to a new revision by themselves. */
async function followers(client: Client, blueprint: string): Promise<string[]> {
  const fleets = await allOf(
    (page) => client.v1.fleets.$get({ query: page }),
    ({ fleets }) => fleets,
  )
  return fleets.filter((fleet) => fleet.follow && fleet.blueprint.name === blueprint).map(({ name }) => name)
}
