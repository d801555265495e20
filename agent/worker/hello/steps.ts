// The table that carries out what plan.ts decided.
import { messageOf } from '../../../shared/errors.ts'
import { within } from '../../../shared/loop.ts'
import { fits, noResources } from '../../../shared/model/resources.ts'
import type { ShipState } from '../../../shared/model/shipState.ts'
import { traced } from '../../../shared/trace.ts'
import { about, type Phase } from '../../roster.ts'
import type { Crew } from '../crew.ts'
import type { Desk } from '../desk.ts'
import { discard, endShip } from '../ending/end.ts'
import { settle } from '../ending/settle.ts'
import { resize, seen } from '../resize.ts'
import { whereabouts } from '../starting/start.ts'
import type { Step } from './plan.ts'

type Name = Step['step']
type One<N extends Name> = Extract<Step, { step: N }>
/** @returns how many failed. */
type Executor<N extends Name> = (crew: Crew, steps: One<N>[], desk: Desk) => Promise<number>

/** In this order: what does not belong here goes first. One that cannot be ended keeps its room, and holds up no other. */
const executors: { readonly [N in Name]: Executor<N> } = {
  discard: each((crew, { ship, attempt, containerId }) => {
    const late = () => new Error(`${ship} does not belong here and does not end`)
    const ended = discard(crew, { ship, attempt }, containerId)
    return within(ended, crew.halts.patienceMs(containerId), late)
  }),
  settle: each(tell),
  retell: each(async ({ outbox }, { grant }) => outbox.retell(grant)),
  adopt: each((crew, step) => adopt(crew, step)),
  stop: each(async (crew, step) => {
    const phase = crew.roster.at(step.grant)?.phase
    if (step.containerId !== null && (phase === undefined || phase === 'Found')) await adopt(crew, step)
    endShip(crew, step.grant, { why: 'asked', ...traced(step.grant) })
  }),
  repeat: each(async ({ roster, outbox }, { grant }) => {
    const phase = roster.at(grant)?.phase
    if (outbox.has(grant)) return
    if (phase === 'Ready') outbox.put({ ...about(grant), state: 'Ready' })
    if (phase === 'Unhealthy') outbox.put({ ...about(grant), state: 'Unhealthy', reason: 'its probe fails' })
  }),
  // Those that shrink make room for those that grow.
  resize: async (crew, steps, desk) => {
    const grows = ({ grant }: One<'resize'>) => {
      const had = crew.roster.at(grant)?.grant.spec.resources ?? noResources
      return !fits(grant.spec.resources, had)
    }
    const carryOut = each<'resize'>((crew, { grant }) => resize(crew, grant))
    const [shrink, grow] = [steps.filter((step) => !grows(step)), steps.filter(grows)]
    return (await carryOut(crew, shrink, desk)) + (await carryOut(crew, grow, desk))
  },
  // Claimed once more, because what the ApiServer has in memory may be a moment old.
  start: async ({ hands, outbox }, steps, desk) => {
    // What an agent before this one said of a pull holds no more.
    for (const { grant } of steps) outbox.put({ ...about(grant), state: 'Starting', reason: null })
    const jobs = steps.map(({ grant }) => {
      const { ports } = grant
      const chosen = ports.flatMap(({ name, hostPort }) => (hostPort === null ? [] : [[name, hostPort]]))
      return { kind: 'start', ...about(grant), ports: Object.fromEntries(chosen) } as const
    })
    hands.run('start wanted ships', () => desk.take(jobs))
    return 0
  },
}

/** One that fails keeps no other from being carried out. @returns how many failed. */
export async function carryOutSteps(crew: Crew, steps: readonly Step[], desk: Desk): Promise<number> {
  let failed = 0
  for (const name of Object.keys(executors) as Name[]) {
    const some = steps.filter((step) => step.step === name)
    if (some.length > 0) failed += await (executors[name] as Executor<Name>)(crew, some, desk)
  }
  return failed
}

function each<N extends Name>(carryOut: (crew: Crew, step: One<N>) => Promise<void>): Executor<N> {
  return async (crew, steps) => {
    const results = await Promise.allSettled(steps.map((step) => carryOut(crew, step)))
    const failed = results.filter((result) => result.status === 'rejected')
    for (const { reason } of failed) crew.log.warn({ error: messageOf(reason) }, 'a step failed')
    return failed.length
  }
}

async function tell(crew: Crew, { grant, containerId }: One<'settle'>): Promise<void> {
  const phase = phaseOf(grant.state)
  if (!enlist(crew, grant, phase, containerId)) return
  const asked = grant.state === 'Stopping' ? ({ why: 'asked', ...traced(grant) } as const) : null
  // One that was ended here before the ApiServer could be asked keeps its reason.
  const entry = crew.roster.change(grant, { ending: crew.roster.at(grant)?.ending ?? asked })
  if (entry) await settle(crew, entry)
}

async function adopt(crew: Crew, { grant, containerId }: One<'adopt' | 'stop'>): Promise<void> {
  if (containerId === null) return
  const details = await crew.engine.details(containerId)
  if (!enlist(crew, grant, phaseOf(grant.state), containerId)) return
  if (details) crew.roster.change(grant, whereabouts(details))
  if (details) seen(crew, grant, details)
  crew.log.info({ ...about(grant), state: grant.state }, 'ship adopted')
}

function enlist(crew: Crew, grant: One<'adopt'>['grant'], phase: Phase, containerId: string | null): boolean {
  const { roster } = crew
  return roster.change(grant, { phase, containerId }) !== undefined || roster.board(grant, phase, containerId)
}

/** What a ship is to this host, from what it is to the cluster. */
function phaseOf(state: ShipState): Phase {
  if (state === 'Starting' || state === 'Scheduled' || state === 'Queued') return 'Starting'
  // A Lost ship that runs on is reported as soon as its probe succeeds, without a limit.
  return state === 'Unhealthy' || state === 'Lost' ? 'Unhealthy' : 'Ready'
}
