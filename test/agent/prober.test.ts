// Probing, with real ports in place of ships: what hangs keeps nobody else from being asked.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Prober } from '../../agent/advisor/prober.ts'
import type { Engine } from '../../agent/docker/engine.ts'
import { Outbox } from '../../agent/outbox.ts'
import { Roster } from '../../agent/roster.ts'
import { createLog } from '../../shared/log.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Grant } from '../../shared/model/grant.ts'
import { until } from '../harness/until.ts'

const test = suite('agent: prober')
const over = new AbortController()
const sockets = new Set<Socket>()
let mute: Server

test.before(async () => {
  mute = createServer((socket) => sockets.add(socket))
  await once(mute.listen(0, '127.0.0.1'), 'listening')
})
test.after(() => {
  over.abort()
  for (const socket of sockets) socket.destroy()
  mute.close()
})

function grantOf(ship: string, probe: object): Grant {
  const { port } = mute.address() as AddressInfo
  const ports = [{ name: 'game', protocol: 'tcp' as const, policy: 'passthrough' as const }]
  const spec = BlueprintSpec.parse({ image: 'game:1', network: 'host', ports, probe })
  return {
    ...{ ship, attempt: 1, state: 'Starting', fleet: null, labels: {}, spec },
    ...{ blueprint: { name: 'game', revision: 1 } },
    ports: [{ name: 'game', protocol: 'tcp', containerPort: port, hostPort: port, policy: 'passthrough' }],
  } as unknown as Grant
}

test('ships whose probes hang for a minute do not keep others from theirs', async () => {
  const roster = new Roster()
  const prober = { engine: {} as Engine, outbox: new Outbox(), onTooLate: () => undefined }
  new Prober({ ...prober, roster, signal: over.signal, log: createLog('test', 'silent') })
  const board = (ship: string, probe: object) => {
    const grant = grantOf(ship, probe)
    roster.board(grant, 'Claimed')
    roster.change(grant, { phase: 'Starting', pid: process.pid, startedAtMs: performance.now() })
  }
  for (let i = 0; i < 40; i++) board(`hangs-${i}`, { type: 'http', port: 'game', timeoutMs: 60_000 })
  await until(() => sockets.size === 16)
  board('well', { type: 'tcp', port: 'game', timeoutMs: 1_000 })
  await until(() => roster.get('well')?.phase === 'Ready', 8_000)
  assert.is(roster.get('hangs-0')?.phase, 'Starting')
})

test.run()
