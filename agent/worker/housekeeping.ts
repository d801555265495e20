// Housekeeping: what ships leave on the disk and in the memory of their host goes when the cluster needs it no more.
//
// INVARIANTS
// - A kept volume goes only when the ApiServer says that its ship is over, or belongs to another host.
// - What a container has is never touched.
import { answerOf } from '../../shared/api/client.ts'
import { Bell, loop, sleep } from '../../shared/loop.ts'
import { keepsVolumes } from '../../shared/model/blueprint.ts'
import { keeperOf, keptVolumes, removeVolume } from '../docker/volumes.ts'
import type { Crew } from './crew.ts'

const everyMs = 60_000
/** A container that has ended is being removed. */
const busyMs = 2_000
const mostAsked = 1_000

export async function keepHouse(crew: Crew): Promise<void> {
  const { gate, engine, roster, outbox, secretFiles, hands, signal, log } = crew
  const bell = new Bell()
  let isDue = false
  roster.onChange((now, before) => {
    if (!now && before && before.grant.spec.secrets.length > 0)
      hands.run('remove secrets', () => secretFiles.drop(before.grant))
    isDue ||= !now && before !== undefined && keepsVolumes(before.grant.spec)
  })
  outbox.onAcknowledged(() => {
    if (isDue) bell.ring()
    isDue = false
  })
  await loop({ name: 'housekeeping', everyMs, signal, log, bell }, async () => {
    await gate.passed(signal)
    await engine.answers(signal)
    if (!signal.aborted) await secretFiles.sweep((of) => roster.at(of) !== undefined)
    if (signal.aborted || (await clearVolumes(crew))) return
    hands.run('look again', () => sleep(busyMs, signal).then(bell.ring))
  })
}

/** @returns false when a container still has one that may go. */
async function clearVolumes({ api, engine, host, log, roster }: Crew): Promise<boolean> {
  let done = true
  const isAboard = (keeper: string) => roster.list().some(({ grant }) => keeperOf(grant) === keeper)
  const kept = (await keptVolumes(engine, host.id)).filter(({ keeper }) => !isAboard(keeper))
  const keepers = [...new Set(kept.map(({ keeper }) => keeper))]
  for (let i = 0; i < keepers.length; i += mostAsked) {
    const json = { ships: keepers.slice(i, i + mostAsked) }
    const { over } = await answerOf(api.v1.monitor.leftovers.$post({ json }))
    for (const { name, keeper } of kept) {
      if (!over.includes(keeper) || isAboard(keeper)) continue
      if (await removeVolume(engine, name))
        log.info({ ship: keeper, volume: name }, 'a kept volume was removed')
      else done = false
    }
  }
  return done
}
