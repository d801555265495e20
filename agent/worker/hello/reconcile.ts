// Saying hello: what runs here is told, what should run here is learned, and made so.
//
// INVARIANTS
// - Until the first hello is obeyed, and after every doubt (contact.ts) until the next is, nothing new is begun.
// - An answer to a question asked before a doubt is not used.
import { answerOf } from '../../../shared/api/client.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { loop } from '../../../shared/loop.ts'
import type { Grant } from '../../../shared/model/grant.ts'
import type { Found } from '../../docker/engine.ts'
import { keyOf, type ShipAttempt } from '../../roster.ts'
import { askAgain, type Crew } from '../crew.ts'
import type { Desk } from '../desk.ts'
import { plan } from './plan.ts'
import { recognise } from './recognise.ts'
import { carryOutSteps } from './steps.ts'

/** The stream asks for it when there is need; this is for what nobody thought of. */
const everyMs = 300_000
const firstAgainMs = 2_000

export interface HelloOptions {
  /** The ApiServer has said what belongs here. */
  onHello: (wanted: readonly Grant[]) => void
  /** The ApiServer does not know this host's credential any more. */
  onRemoved: (error: ArmadaError) => void
}

export async function reconcile(crew: Crew, desk: Desk, { onHello, onRemoved }: HelloOptions): Promise<void> {
  const { signal, log, ask } = crew
  let againMs = firstAgainMs
  await loop({ name: 'hello', everyMs, signal, log, bell: ask }, async () => {
    await crew.present.passed(signal)
    await crew.engine.answers(signal)
    if (signal.aborted) return
    const turn = crew.contact.turn
    const containers = await crew.engine.list(crew.host.id)
    recognise(crew, containers)
    const sentAtMs = performance.now()
    const json = { host: crew.host, ships: shipsHere(crew, containers) }
    const { wanted, strays } = await answerOf(crew.api.v1.monitor.hello.$post({ json })).catch((error) => {
      if (error instanceof ArmadaError && error.code === 'unauthenticated') onRemoved(error)
      throw error
    })
    if (crew.contact.turn !== turn) return ask.ring()
    crew.contact.heard(sentAtMs)
    const steps = plan({
      wanted,
      strays,
      containers,
      aboard: (ship) => crew.roster.get(ship),
      left: (of) => crew.roster.hasLeft(of),
      unreported: (of) => crew.outbox.has(of),
    })
    log.info({ wanted: wanted.length, strays: strays.length, steps: countOf(steps) }, 'hello answered')
    const failed = await carryOutSteps(crew, steps, desk)
    if (failed > 0 && crew.engine.away !== null) throw new Error(crew.engine.away)
    if (crew.contact.turn !== turn) return ask.ring()
    crew.gate.open()
    crew.look.ring()
    onHello(wanted)
    // The ApiServer's memory may be a moment behind: those it called neither wanted nor strays are Found still.
    const isDone = failed === 0 && !crew.roster.list().some(({ phase }) => phase === 'Found')
    if (!isDone) askAgain(crew, againMs)
    againMs = isDone ? firstAgainMs : Math.min(againMs * 2, everyMs)
  })
}

function shipsHere({ roster }: Crew, containers: readonly Found[]): ShipAttempt[] {
  const here = new Map<string, ShipAttempt>()
  for (const of of [...containers, ...roster.list().map((entry) => entry.grant)]) {
    here.set(keyOf(of), { ship: of.ship, attempt: of.attempt })
  }
  return [...here.values()]
}

function countOf(steps: readonly { step: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { step } of steps) counts[step] = (counts[step] ?? 0) + 1
  return counts
}
