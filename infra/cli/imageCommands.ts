// The commands of the CLI about images that hosts have before ships come.
import { allOf, answerOf, type Client } from '../../shared/api/client.ts'
import { sleep } from '../../shared/loop.ts'
import { pullShare } from '../../shared/model/image.ts'
import type { HostPullView, ImagePullView } from '../../shared/model/imagePull.ts'
import { namePattern } from '../../shared/model/name.ts'
import { table } from '../screen.ts'
import { type Commands, wholeNumber } from './command.ts'

const lookEveryMs = 1_000

export const imageCommands: Commands = {
  prepull: {
    takes: ['<blueprint|image>'],
    about:
      'have hosts pull an image ahead of ships, and show how far they are; Ctrl-C only stops the showing',
    options: ['revision', 'hosts', 'parallel', 'deadline'],
    async run(client, [what = ''], { revision, hosts, parallel, deadline, json = false }, terminal) {
      const asked = namePattern.test(what) ? { blueprint: what } : { image: what }
      const made = await answerOf(
        client.v1['image-pulls'].$post({
          json: {
            ...asked,
            ...(revision !== undefined && { revision: wholeNumber('revision', revision) }),
            ...(hosts !== undefined && { labelSelector: hosts }),
            ...(parallel !== undefined && { parallelism: wholeNumber('parallel', parallel) }),
            ...(deadline !== undefined && { deadlineSeconds: wholeNumber('deadline', deadline) }),
          },
        }),
      )
      const say = (text: string) => {
        if (!json) terminal.print(text)
      }
      say(`${made.id}: ${made.image}`)
      const { pull, pulling } = await followed(client, made, terminal.signal, say)
      if (pull.state === 'Failed') throw new Error(failureText(pull, pulling))
      const text = pull.state === 'Running' ? `${pull.id} goes on without being shown` : hostTable(pulling)
      return { text, data: { ...pull, onHosts: pulling } }
    },
  },
  'image-pulls': {
    takes: [],
    about: 'list what hosts were to pull ahead',
    async run(client) {
      const data = await answerOf(client.v1['image-pulls'].$get())
      const rows = data.pulls.map(({ id, image, state, hosts, deadline }) => {
        const { pending, pulling, pulled, failed } = hosts
        const all = pending + pulling + pulled + failed
        return [id, image, state, `${pulled}/${all}`, String(failed), deadline]
      })
      return { text: table(['PULL', 'IMAGE', 'STATE', 'PULLED', 'FAILED', 'DEADLINE'], rows), data }
    },
  },
  'image-pull': {
    takes: ['<pull>'],
    about: 'show how far each host is with one',
    async run(client, [id = '']) {
      const pull = await answerOf(client.v1['image-pulls'][':pull'].$get({ param: { pull: id } }))
      const onHosts = await hostsOf(client, id)
      return { text: `${progressText(pull)}\n${hostTable(onHosts)}`, data: { ...pull, onHosts } }
    },
  },
  'delete-image-pull': {
    takes: ['<pull>'],
    about: 'let no more hosts pull it, and forget it',
    async run(client, [pull = '']) {
      const data = await answerOf(client.v1['image-pulls'][':pull'].$delete({ param: { pull } }))
      return { text: `${data.deleted} is deleted`, data }
    },
  },
}

/** Says what changes, until all hosts are done or the signal fires. */
async function followed(
  client: Client,
  made: ImagePullView,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<{ pull: ImagePullView; pulling: HostPullView[] }> {
  const param = { pull: made.id }
  for (let said = ''; ; await sleep(lookEveryMs, signal)) {
    const [pull, pulling] = await Promise.all([
      answerOf(client.v1['image-pulls'][':pull'].$get({ param })),
      hostsOf(client, made.id),
    ])
    const shares = pulling.flatMap((one) => (pullShare(one) ? [`${one.host} ${pullShare(one)}`] : []))
    const text = [progressText(pull), ...shares.slice(0, 3)].join('; ') + (shares.length > 3 ? ' …' : '')
    if (text !== said) say(`  ${text}`)
    said = text
    if (pull.state !== 'Running' || signal.aborted) return { pull, pulling }
  }
}

async function hostsOf(client: Client, pull: string): Promise<HostPullView[]> {
  return allOf(
    (query) => client.v1['image-pulls'][':pull'].hosts.$get({ param: { pull }, query }),
    ({ hosts }) => hosts,
  )
}

function progressText({ state, hosts }: ImagePullView): string {
  const { pending, pulling, pulled, failed } = hosts
  return `${state}: ${pulled} pulled, ${pulling} pulling, ${pending} pending, ${failed} failed`
}

function failureText(pull: ImagePullView, hosts: readonly HostPullView[]): string {
  const lines = hosts
    .filter(({ state }) => state === 'Failed')
    .map(({ host, reason }) => `${host}: ${reason}`)
  const more = lines.length > 10 ? [`… ${lines.length - 10} more; armada image-pull ${pull.id}`] : []
  const all = hosts.length
  return [`${lines.length} of ${all} hosts have not got ${pull.image}:`, ...lines.slice(0, 10), ...more].join(
    '\n  ',
  )
}

function hostTable(hosts: readonly HostPullView[]): string {
  const rows = hosts.map((one) => {
    const took = one.tookMs === null ? '' : `${(one.tookMs / 1_000).toFixed(1)} s`
    return [one.host, one.state, pullShare(one) || took, one.reason ?? '']
  })
  return table(['HOST', 'STATE', '', 'REASON'], rows)
}
