// Which hosts come first while a cluster becomes tight, and has room again.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemandClasses } from '../../../../functions/runners/scheduler/demandClasses.ts'
import { demand, hostNamed, ticket } from '../tree.ts'
import { Scene } from './scene.ts'

const engine = suite('the turn of a cluster')

const shapes = [
  { cpuMillis: 16_000, memoryMiB: 65_536 },
  { cpuMillis: 16_000, memoryMiB: 32_768 },
  { cpuMillis: 4_000, memoryMiB: 8_192 },
]
const demands = [
  { cpuMillis: 2_000, memoryMiB: 2_048 },
  { cpuMillis: 1_000, memoryMiB: 8_192 },
  { cpuMillis: 500, memoryMiB: 1_024 },
].map((resources) => demand({ resources, ports: [] }))

const anyCourse = fc.record({
  hosts: fc.array(fc.constantFrom(...shapes), { minLength: 1, maxLength: 8, size: 'max' }),
  steps: fc.array(
    fc.record({ ask: fc.nat(2), come: fc.nat(12), leave: fc.array(fc.nat(99), { maxLength: 6 }) }),
    { minLength: 5, maxLength: 30, size: 'max' },
  ),
})

engine('the index ranks hosts as one made anew does, on either side of the turn', () => {
  let turns = 0
  fc.assert(
    fc.property(anyCourse, ({ hosts, steps }) => {
      const scene = new Scene(hosts.map((capacity, i) => hostNamed(`host-${i}`, { capacity })))
      const { board, classes } = scene
      const living: string[] = []
      let wasTight = false
      for (const [step, { ask, come, leave }] of steps.entries()) {
        const wanted = demands[ask] as (typeof demands)[number]
        const { ships } = scene.decide(
          Array.from({ length: come }, (_, i) => ticket(`ship-${step}-${i}`, { demand: wanted })),
        )
        living.push(...ships)
        for (const at of leave) board.drop(living.splice(at % Math.max(1, living.length), 1)[0] ?? '')
        const { isTight } = board.stock.openings
        if (isTight !== wasTight) turns++
        wasTight = isTight
        const key = JSON.stringify(wanted)
        const score = (from: DemandClasses) => {
          const { candidates, gauge } = from.of(key, wanted)
          const best = candidates.best([])
          return best && gauge.weigh(best.slot, new Map())
        }
        assert.is(score(classes), score(new DemandClasses(board)))
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(turns > 50, `the clusters turned ${turns} times`)
})

engine.run()
