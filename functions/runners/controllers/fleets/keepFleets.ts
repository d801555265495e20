// Fleets: keeps each at its number of ships, step by step.
//
// INVARIANTS
// - Every step names the revision of the fleet it was decided on; one decided on an older picture is refused,
//   so that neither a slow answer nor another leader makes ships twice.
// - A fleet that fails does not hold up the others.
import { allOf, answerOf } from '../../../../shared/api/client.ts'
import { ArmadaError, messageOf } from '../../../../shared/errors.ts'
import type { Bell } from '../../../../shared/loop.ts'
import { type FleetView, newestOf } from '../../../../shared/model/fleet.ts'
import { isOver } from '../../../../shared/model/rollout.ts'
import type { ShipView } from '../../../../shared/model/ship.ts'
import type { ShipState } from '../../../../shared/model/shipState.ts'
import { each } from '../../../../shared/zookeeper/persistence.ts'
import { isDeposed, ledLoop } from '../../ledLoop.ts'
import type { Office } from '../office.ts'
import { Brakes } from './crashBrake.ts'
import { type FleetNeed, type FleetPicture, needOf, shipsInStep } from './fleetPlan.ts'
import { leastMissed, mayEnd } from './leastMissed.ts'
import { pausedNeed, type RolloutNeed, rolloutNeed } from './rolloutPlan.ts'

/** As the client reads it. */
type SeenFleet = Omit<FleetView, 'ships'> & FleetPicture

const everyMs = 1_000
const fleetsAtOnce = 4
/** So that one large fleet does not keep a turn to itself. */
const stepsInTurn = 20

/** @param bell rings when a fleet needs a look at once. */
export async function keepFleets(office: Office, bell: Bell): Promise<void> {
  const { client, log, signal } = office
  const brakes = new Brakes()
  await ledLoop({ name: 'fleets', everyMs, bell, signal, log }, async () => {
    const fleets = await allOf(
      (query) => client.v1.fleets.$get({ query }, { init: { signal } }),
      (page) => page.fleets,
    )
    brakes.forgetAllBut(fleets)
    await each(fleets, fleetsAtOnce, async (fleet) => {
      try {
        await keepFleet(fleet, brakes, office)
      } catch (error) {
        if (isDeposed(error)) throw error
        log.warn({ fleet: fleet.name, error: messageOf(error) }, 'a fleet could not be kept; next turn again')
      }
    })
  })
}

async function keepFleet(first: SeenFleet, brakes: Brakes, office: Office): Promise<void> {
  const { client, signal } = office
  let fleet = first
  for (let steps = 0; steps < stepsInTurn && !signal.aborted; steps++) {
    const paused = brakes.look(fleet, performance.now())
    const need =
      inPlace(fleet) ?? brakes.wordOn(fleet) ?? (await revisionToFollow(fleet, office)) ?? needNow(fleet)
    if (need.do === 'nothing' || (need.do === 'create' && paused && !isOld(fleet, need))) return
    if (!(await step(fleet, need, office)) || need.do === 'forget') return
    const request = client.v1.fleets[':fleet'].$get({ param: { fleet: fleet.name } }, { init: { signal } })
    fleet = await answerOf(request)
  }
}

type Need =
  | FleetNeed
  | RolloutNeed
  | { do: 'follow'; revise: number }
  | { do: 'tell'; crashLoop: string | null }
  | { do: 'relabel' }
  | { do: 'deadline' }
  | { do: 'overflow' }

/** Before anything else: what a running ship can be given, or told, needs no other ship. */
function inPlace({ relabel, deleting, rollout, overflowDue }: SeenFleet): Need | undefined {
  if (deleting) return undefined
  if (relabel) return { do: 'relabel' }
  if (rollout?.due) return { do: 'deadline' }
  return overflowDue ? { do: 'overflow' } : undefined
}

function needNow(fleet: SeenFleet): Need {
  const { rollout, deleting } = fleet
  if (!rollout || deleting || isOver(rollout.state)) return needOf(fleet)
  return rollout.paused ? pausedNeed({ ...fleet, rollout }) : rolloutNeed({ ...fleet, rollout }, Date.now())
}

/** Made beside the canaries of a revision that may fail. */
function isOld({ blueprint }: SeenFleet, need: Extract<Need, { do: 'create' }>): boolean {
  return 'of' in need && need.of !== blueprint.revision
}

async function revisionToFollow(fleet: SeenFleet, { client, signal }: Office): Promise<Need | undefined> {
  const { follow, deleting, blueprint, rollout } = fleet
  if (!follow || deleting || rollout?.paused) return undefined
  const param = { blueprint: blueprint.name }
  const request = client.v1.blueprints[':blueprint'].$get({ param, query: {} }, { init: { signal } })
  const { revision } = await answerOf(request)
  // What it was rolled back from is not tried again.
  return revision > newestOf(fleet) ? { do: 'follow', revise: revision } : undefined
}

/** Takes one step. False when it has to wait for the next turn. */
async function step(fleet: SeenFleet, need: Need, office: Office): Promise<boolean> {
  const { client, epoch, log, signal } = office
  const json = {
    ...{ epoch, revision: fleet.revision },
    create: need.do === 'create' ? Math.min(need.count, shipsInStep.create) : 0,
    ...('of' in need && { of: need.of }),
    stop: need.do === 'stop' ? await surplusOf(fleet, need, office) : [],
    forget: need.do === 'forget',
    ...(need.do === 'turn' && { turn: { to: need.to, reason: need.reason } }),
    ...(need.do === 'deadline' && { deadline: true as const }),
    ...(need.do === 'overflow' && { overflow: true as const }),
    ...(need.do === 'relabel' && { relabel: true as const }),
    ...(need.do === 'follow' && { revise: need.revise }),
    ...(need.do === 'tell' && { crashLoop: need.crashLoop }),
  }
  try {
    const sent = { param: { fleet: fleet.name }, json }
    const request = client.v1.fleets[':fleet'].steps.$post(sent, { init: { signal } })
    const { created, stopped } = await answerOf(request)
    const done = { created: created.length, stopped: stopped.length }
    const isDone = done.created + done.stopped > 0 || !['create', 'stop'].includes(need.do)
    log[isDone ? 'info' : 'debug']({ fleet: fleet.name, did: need.do, ...done }, 'a step of a fleet')
    return isDone
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
  fleet: SeenFleet,
  need: Extract<Need, { do: 'stop' }>,
  office: Office,
): Promise<string[]> {
  const { states } = need
  const count = Math.min(need.count, shipsInStep.stop)
  const isMeant = (ship: ShipView) =>
    mayEnd(ship, states) &&
    (!('outdated' in need) || need.outdated === (ship.blueprint.revision !== fleet.blueprint.revision))
  const ships: ShipView[] = []
  // The least useful states first, so that a large fleet's Ready ships are listed only when they are needed.
  const others = states.filter((state) => state !== 'Ready')
  const byUse = [others, states.filter((state) => state === 'Ready')]
  for (const some of fleet.naming === 'ordinal' ? [states] : byUse) {
    if (some.length === 0 || ships.length >= count) continue
    ships.push(...(await shipsIn(fleet.name, some, office)).filter(isMeant))
  }
  const crews = ships.some(({ state }) => state === 'Ready') ? await crewsOf(office) : new Map()
  return leastMissed(ships, { count, states, crews, nowMs: Date.now() })
}

async function crewsOf({ client, signal }: Office): Promise<Map<string, number>> {
  const hosts = await allOf(
    (query) => client.v1.hosts.$get({ query }, { init: { signal } }),
    (page) => page.hosts,
  )
  return new Map(hosts.map(({ id, ships }) => [id, ships]))
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
