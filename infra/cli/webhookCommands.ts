// The commands of the CLI about webhooks and what they could not deliver.
import { answerOf } from '../../shared/api/client.ts'
import type { WebhookView } from '../../shared/model/webhook.ts'
import { table } from '../screen.ts'
import type { Commands } from './command.ts'

export const webhookCommands: Commands = {
  webhooks: {
    takes: [],
    about: 'list the webhooks and how they fare',
    async run(client) {
      const data = await answerOf(client.v1.webhooks.$get())
      return { text: webhookTable(data.webhooks), data }
    },
  },
  'create-webhook': {
    takes: ['<webhook>', '<url>'],
    about: 'have a URL told about events; see --events, --fleets',
    options: ['events', 'fleets'],
    async run(client, [name = '', url = ''], { events = '*', fleets }) {
      const json = { name, url, events: events.split(','), ...(fleets && { fleets: fleets.split(',') }) }
      const data = await answerOf(client.v1.webhooks.$post({ json }))
      return { text: `${data.secret}\n(the secret of "${name}"; it is not shown again)`, data }
    },
  },
  'enable-webhook': {
    takes: ['<webhook>'],
    about: 'let a webhook go on where it stopped',
    async run(client, [webhook = '']) {
      const json = { enabled: true }
      const data = await answerOf(
        client.v1.webhooks[':webhook'].$patch({ param: { webhook }, json, header: {} }),
      )
      return { text: webhookTable([data]), data }
    },
  },
  'test-webhook': {
    takes: ['<webhook>'],
    about: 'send it a test message',
    async run(client, [webhook = '']) {
      const data = await answerOf(client.v1.webhooks[':webhook'].test.$post({ param: { webhook } }))
      return { text: `${data.id} is on its way; until it is delivered \`dead-letters\` shows it`, data }
    },
  },
  'delete-webhook': {
    takes: ['<webhook>'],
    about: 'forget a webhook and its dead letters',
    async run(client, [webhook = '']) {
      const data = await answerOf(client.v1.webhooks[':webhook'].$delete({ param: { webhook } }))
      return { text: `${data.deleted} is deleted`, data }
    },
  },
  'dead-letters': {
    takes: ['<webhook>'],
    about: 'list what a webhook could not deliver',
    async run(client, [webhook = '']) {
      const route = client.v1.webhooks[':webhook']['dead-letters']
      const data = await answerOf(route.$get({ param: { webhook }, query: { limit: '1000' } }))
      const rows = data.deadLetters.map(({ id, message, attempts, reason, redeliver }) => [
        id,
        message.type,
        message.timestamp,
        String(attempts),
        redeliver ? 'is sent again' : (reason ?? ''),
      ])
      return { text: table(['MESSAGE', 'TYPE', 'HAPPENED', 'TRIES', ''], rows), data }
    },
  },
  redeliver: {
    takes: ['<webhook>', '<message…>'],
    about: 'send dead letters again',
    async run(client, [webhook = '', ...letters]) {
      const route = client.v1.webhooks[':webhook']['dead-letters'][':letter'].redeliver
      const data = []
      for (const letter of letters) data.push(await answerOf(route.$post({ param: { webhook, letter } })))
      return { text: `${data.length} are sent again`, data }
    },
  },
}

function webhookTable(webhooks: readonly WebhookView[]): string {
  const rows = webhooks.map(({ name, url, events, status, enabled, disabledReason }) => [
    name,
    url,
    events.join(','),
    String(status.delivered),
    String(status.pending),
    String(status.deadLetters),
    stateOf({ status, enabled, disabledReason }),
  ])
  return table(['WEBHOOK', 'URL', 'EVENTS', 'DELIVERED', 'PENDING', 'DEAD', ''], rows)
}

function stateOf({
  status,
  enabled,
  disabledReason,
}: Pick<WebhookView, 'status' | 'enabled' | 'disabledReason'>): string {
  if (disabledReason) return `disabled: ${disabledReason}`
  if (!enabled) return 'disabled'
  return status.failingSince ? `fails since ${status.failingSince}: ${status.lastFailure?.reason ?? ''}` : ''
}
