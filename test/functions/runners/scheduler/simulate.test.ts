// Dry runs: they say what would happen, and leave the board as it was.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { replyTo } from '../../../../functions/runners/scheduler/simulate.ts'
import type { EmptyReply, PlaceReply, Question } from '../../../../shared/model/question.ts'
import type { Demand } from '../../../../shared/model/ticket.ts'
import { demand, hostNamed, ticket } from '../tree.ts'
import { Scene } from './scene.ts'

const test = suite('dry runs')
const small = { capacity: { cpuMillis: 64_000, memoryMiB: 2_048 } }
const resources = { cpuMillis: 100, memoryMiB: 512 }

function ask({ board, classes }: Scene, question: Question) {
  const before = [...board.stock.table]
  const reply = replyTo(question, board, classes)
  assert.equal([...board.stock.table], before, 'nothing is left of it')
  return reply
}

const place = (scene: Scene, wanted: Demand, count: number) =>
  ask(scene, { kind: 'place', demand: wanted, count }) as PlaceReply

test('a simulation says what the decisions then are, how many more fit, and why no further one', () => {
  const wanted = [
    demand({ resources }),
    demand({ resources, fleet: 'lobby', placement: { antiAffinity: 'required' } }),
    demand({ resources, fleet: 'duel', placement: { spread: { label: 'zone', maxSkew: 1 } } }),
    demand({ resources, placement: { strategy: 'distributed', require: [{ key: 'zone', values: ['x'] }] } }),
  ]
  for (const one of wanted) {
    const scene = new Scene([
      hostNamed('a', { ...small, labels: { zone: 'x' } }),
      hostNamed('b', { ...small, labels: { zone: 'x' } }),
      hostNamed('c', { capacity: { cpuMillis: 64_000, memoryMiB: 1_024 }, labels: { zone: 'y' } }),
    ])
    scene.decide([ticket('old', { demand: demand({ resources }) })])
    const said = place(scene, one, 3)
    const fitting = said.hosts.reduce((sum, { ships }) => sum + ships, 0)
    const tickets = Array.from({ length: 20 }, (_, i) => ticket(`s-${i}`, { demand: one }))
    const { hosts, reasons } = scene.decide(tickets)
    assert.is(hosts.length, fitting + said.more)
    assert.equal(reasons, [said.reason])
    // Which of two hosts that are alike comes first is not promised.
    const counts = (of: readonly string[]) =>
      [...new Set(of)].map((id) => of.filter((one) => one === id).length).sort()
    assert.equal(said.hosts.map(({ ships }) => ships).sort(), counts(hosts.slice(0, 3)))
  }
})

test('hosts are emptied onto others in use, all moves together, and none that is empty is begun', () => {
  const hosts = ['full', 'half', 'quarter', 'empty'].map((id) => hostNamed(id, small))
  const scene = new Scene(hosts)
  const holding = (ship: string) => ({ ship, attempt: 1, fleet: null, resources, hostPorts: [] })
  scene.board.see('full', ['f1', 'f2', 'f3'].map(holding))
  scene.board.see('half', ['h1', 'h2'].map(holding))
  scene.board.see('quarter', ['q1'].map(holding))
  const reply = ask(scene, {
    kind: 'empty',
    demands: [demand({ resources, ports: [] })],
    hosts: [
      { host: 'quarter', ships: [['q1', 0]] },
      {
        host: 'half',
        ships: [
          ['h1', 0],
          ['h2', 0],
        ],
      },
      {
        host: 'full',
        ships: [
          ['f1', 0],
          ['f2', 0],
          ['f3', 0],
        ],
      },
    ],
  }) as EmptyReply
  const [quarter, half, full] = reply.hosts
  assert.equal(quarter?.moves, [{ ship: 'q1', to: 'full' }])
  assert.equal(half, { host: 'half', moves: null, reason: 'ship h1 fits on no other host that is in use' })
  assert.match(full?.reason ?? '', /would take ships/)
})

test('thousands at once are counted to a limit', () => {
  const scene = new Scene(Array.from({ length: 100 }, (_, i) => hostNamed(`host-${i}`)))
  const { hosts, more, reason } = place(scene, demand({ ports: [] }), 2_000)
  assert.is(
    hosts.reduce((sum, { ships }) => sum + ships, 0),
    2_000,
  )
  assert.equal([more, reason], [3_000, null])
})

test.run()
