// Fleets: keeps each at its number of ships, step by step.
//
// INVARIANTS
// - Every step names the revision of the fleet it was decided on; one decided on an older picture is refused,
//   so that neither a slow answer nor another leader makes ships twice.
// - A fleet that fails does not hold up the others.
import { allOf, answerOf } from '../../../shared/api/client.ts'
import { ArmadaError, messageOf } from '../../../shared/errors.ts'
import type { Bell } from '../../../shared/loop.ts'
import type { ShipView } from '../../../shared/model/ship.ts'
import type { ShipState } from '../../../shared/model/shipState.ts'
import { each } from '../../../shared/zookeeper/persistence.ts'
import { isDeposed, ledLoop } from '../ledLoop.ts'
import { type CrashRecord, noteFailures } from './crashBrake.ts'
import { chooseSurplus, type FleetNeed, type FleetPicture, needOf, shipsInStep } from './fleetPlan.ts'
import type { Office } from './office.ts'

const everyMs = 1_000
const fleetsAtOnce = 4
/** So that one large fleet does not keep a turn to itself. */
const stepsInTurn = 20

/** @param bell rings when a fleet needs a look at once. */
export async function keepFleets(office: Office, bell: Bell): Promise<void> {
  const { client, log, signal } = office
  const crashes = new Map<string, CrashRecord>()
  await ledLoop({ name: 'fleets', everyMs, bell, signal, log }, async () => {
    const fleets = await allOf(
      (query) => client.v1.fleets.$get({ query }, { init: { signal } }),
      (page) => page.fleets,
    )
    const names = new Set(fleets.map((fleet) => fleet.name))
    for (const name of crashes.keys()) if (!names.has(name)) crashes.delete(name)
    await each(fleets, fleetsAtOnce, async (fleet) => {
      try {
        await keepFleet(fleet, crashes, office)
      } catch (error) {
        if (isDeposed(error)) throw error
        log.warn({ fleet: fleet.name, error: messageOf(error) }, 'a fleet could not be kept; next turn again')
      }
    })
  })
}

/** Whether no ships are to be made for the fleet just now. */
function pausedByCrashes(fleet: FleetPicture, crashes: Map<string, CrashRecord>, { log }: Office): boolean {
  const nowMs = performance.now()
  const before = crashes.get(fleet.name)
  const record = noteFailures(before, fleet.ships.Failed ?? 0, nowMs)
  crashes.set(fleet.name, record)
  if (before && record.streak > before.streak) {
    const pauseMs = Math.round(record.untilMs - nowMs)
    log.warn({ fleet: fleet.name, failed: record.failed, pauseMs }, 'ships of the fleet fail; a pause')
  }
  return nowMs < record.untilMs
}

async function keepFleet(
  first: FleetPicture,
  crashes: Map<string, CrashRecord>,
  office: Office,
): Promise<void> {
  const { client, signal } = office
  let fleet = first
  for (let steps = 0; steps < stepsInTurn && !signal.aborted; steps++) {
    const paused = pausedByCrashes(fleet, crashes, office)
    const need = needOf(fleet)
    if (need.do === 'nothing' || (need.do === 'create' && paused)) return
    if (!(await step(fleet, need, office)) || need.do === 'forget') return
    const request = client.v1.fleets[':fleet'].$get({ param: { fleet: fleet.name } }, { init: { signal } })
    fleet = await answerOf(request)
  }
}

/** Takes one step. False when it has to wait for the next turn. */
async function step(fleet: FleetPicture, need: FleetNeed, office: Office): Promise<boolean> {
  const { client, epoch, log, signal } = office
  const create = need.do === 'create' ? need.count : 0
  const stop = need.do === 'stop' ? await surplusOf(fleet, need, office) : []
  const json = { epoch, revision: fleet.revision, create, stop, forget: need.do === 'forget' }
  try {
    const sent = { param: { fleet: fleet.name }, json }
    const request = client.v1.fleets[':fleet'].steps.$post(sent, { init: { signal } })
    const { created, stopped } = await answerOf(request)
    log.info({ fleet: fleet.name, created: created.length, stopped: stopped.length }, 'a step of a fleet')
    return created.length + stopped.length > 0
  } catch (error) {
    const waits = ['revision_mismatch', 'not_found', 'queue_full', 'conflict']
    if (error instanceof ArmadaError && waits.includes(error.code)) {
      log.debug({ fleet: fleet.name, error: error.message }, 'a step of a fleet has to wait')
      return false
    }
    throw error
  }
}

async function surplusOf(
  fleet: FleetPicture,
  { count, states }: Extract<FleetNeed, { do: 'stop' }>,
  office: Office,
): Promise<string[]> {
  const wanted = Math.min(count, shipsInStep.stop)
  const ships: ShipView[] = []
  // The least useful states first, so that a large fleet's Ready ships are listed only when they are needed.
  const others = states.filter((state) => state !== 'Ready')
  for (const some of [others, states.filter((state) => state === 'Ready')]) {
    if (some.length > 0 && ships.length < wanted) ships.push(...(await shipsIn(fleet.name, some, office)))
  }
  return chooseSurplus(ships, wanted, states)
}

async function shipsIn(
  fleet: string,
  states: readonly ShipState[],
  { client, signal }: Office,
): Promise<ShipView[]> {
  const filter = { fleet, state: states.join(',') }
  return allOf(
    (page) => client.v1.ships.$get({ query: { ...page, ...filter } }, { init: { signal } }),
    (page) => page.ships,
  )
}
