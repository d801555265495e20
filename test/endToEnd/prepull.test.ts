// An image is pulled ahead on all hosts, by command; ships that come then need no registry.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { commands } from '../../infra/cli/commands.ts'
import { answerOf } from '../../shared/api/client.ts'
import { type Registry, startRegistry } from '../agent/registry.ts'
import { adminToken } from '../harness/apiServer.ts'
import { Cluster } from '../harness/cluster.ts'

const test = suite('images ahead of ships')
const replicas = 4
let cluster: Cluster
let registry: Registry

test.before(async () => {
  registry = await startRegistry()
  cluster = await Cluster.start([])
  await Promise.all(['host-a', 'host-b'].map((id) => cluster.addHost(id)))
  await answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: 'game' },
      json: {
        image: `${registry.address}/team/game:2`,
        resources: { cpuMillis: 10, memoryMiB: 16 },
        placement: { strategy: 'distributed' },
        lifecycle: { graceMs: 1_000 },
      },
    }),
  )
})
test.after(async () => {
  registry?.close()
  await cluster?.stop()
})

async function prepull(...args: string[]): Promise<{ printed: string; text: string }> {
  const printed: string[] = []
  const { signal } = new AbortController()
  const print = (line: string) => void printed.push(line)
  const terminal = { url: cluster.url, token: adminToken, signal, print }
  const answer = await commands.prepull?.run(cluster.client, args, {}, terminal)
  return { printed: printed.join('\n'), text: answer?.text ?? '' }
}

test('`prepull` shows how far each host is, and ships start without the registry afterwards', async () => {
  registry.layerMs = 8_000
  const { printed, text } = await prepull('game')
  assert.match(printed, /^pull-\w+: \S+\/team\/game:2\n/)
  assert.match(printed, /Running: 0 pulled, [12] pulling, .*host-[ab] \d+ % of \d MiB/)
  assert.match(printed, /Succeeded: 2 pulled, 0 pulling, 0 pending, 0 failed$/)
  assert.match(text, /host-a {3}Pulled .*\n {2}host-b {3}Pulled /)
  registry.close()
  await answerOf(cluster.client.v1.fleets.$post({ json: { name: 'game', blueprint: 'game', replicas } }))
  const ships = await cluster.fleetReady('game', replicas, 30_000)
  assert.deepEqual(new Set(ships.map(({ host }) => host)), new Set(['host-a', 'host-b']))
})

test('what cannot be pulled is told with the reason, host by host', async () => {
  await assert.rejects(prepull(`${registry.address}/team/other:1`), (error: Error) => {
    assert.match(error.message, /^2 of 2 hosts have not got .*\/team\/other:1:/)
    assert.match(error.message, /host-b: image .* cannot be pulled/)
    return true
  })
})

test.run()
