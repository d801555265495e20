// Writing one line to a ship's console, through the agent of its host.
//
// INVARIANT: the line is offered once, and handed out once: an agent that dies with it in hand has written it or
// not, and nobody writes it a second time unasked.
import { ArmadaError } from '../../../shared/errors.ts'
import { Chunk, type SessionEnd } from '../../../shared/model/session.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import type { Stores } from '../../stores/stores.ts'
import { busy, hostOf, newSession, notRunning } from './shipOutput.ts'

const limitMs = 7_000
const callAgainMs = 1_000

/** Resolves once the game's standard input has the line. @throws ArmadaError */
export async function writeLine(
  { sessions }: Pick<Stores, 'sessions'>,
  ship: Ship,
  line: string,
  session = newSession(),
): Promise<{ ship: string; attempt: number; host: string }> {
  const host = hostOf(ship)
  if (host === undefined) throw notRunning(ship)
  const { id, attempt } = ship
  let begun = false
  let end: SessionEnd | null = null
  let wake = (): void => undefined
  const close = await sessions.listen(host, session, (text) => {
    begun = true
    end ??= Chunk.parse(JSON.parse(text)).ended
    wake()
  })
  try {
    sessions.take(host, session, 0)
    await sessions.offerLine(host, session, line)
    for (const endMs = performance.now() + limitMs; !end && performance.now() < endMs; ) {
      if (!begun) await sessions.call(host, { kind: 'console', session, ship: id, attempt })
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, callAgainMs)
      })
    }
  } finally {
    close()
  }
  return verdict(end, { ship: id, attempt, host }, begun)
}

function verdict(
  end: SessionEnd | null,
  done: { ship: string; attempt: number; host: string },
  begun: boolean,
): typeof done {
  const { ship, host } = done
  switch (end?.why) {
    case 'written':
      return done
    case 'busy':
      throw busy(ship)
    case 'absent':
      throw new ArmadaError(
        'conflict',
        `Ship "${ship}" has no container on host "${host}" now. Nothing was written.`,
      )
    case undefined: {
      const what = begun
        ? 'has not said that the line was written, so look into the logs before you send it again'
        : 'does not answer. Send it again with the same Idempotency-Key'
      throw new ArmadaError('unavailable', `The agent of host "${host}" ${what}.`, { retryAfterSeconds: 2 })
    }
    default:
      throw new ArmadaError(
        'unavailable',
        `The console of ship "${ship}" did not take the line: ${end?.detail}.`,
      )
  }
}
