// Writing lines to the ships' consoles, each once.

import { messageOf } from '../../shared/errors.ts'
import { forgetOldest } from '../../shared/forget.ts'
import type { SessionCall, SessionEnd } from '../../shared/model/session.ts'
import type { Engine } from '../docker/engine.ts'
import { writeInput } from '../docker/input.ts'
import type { Aboard } from '../roster.ts'
import { Slots } from '../slots.ts'
import type { Sender } from './sender.ts'

const remembered = 1_000

export class Consoles {
  readonly #engine: Engine
  /** How the last sessions ended: a session that is called again is not carried out again. */
  readonly #ends = new Map<string, SessionEnd>()
  /** One line at a time, by container, so that they arrive in their order. */
  readonly #turns = new Map<string, { turn: Slots; users: number }>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Resolves when the sender knows how it ended. */
  async write(call: SessionCall, entry: Aboard | undefined, sender: Sender): Promise<void> {
    const line = await sender.open()
    if (sender.gone.aborted) return
    const { why, detail } = this.#ends.get(call.session) ?? (await this.#carryOut(call, line, entry))
    sender.end(why, detail)
  }

  async #carryOut(
    { session }: SessionCall,
    line: string | null,
    entry: Aboard | undefined,
  ): Promise<SessionEnd> {
    if (!entry?.containerId) return { why: 'absent', detail: '' }
    if (entry.grant.spec.console !== 'stdin')
      return { why: 'refused', detail: 'its container has no console' }
    if (line === null) return { why: 'refused', detail: 'the line was not there any more' }
    const end = await this.#writeInTurn(entry.containerId, line)
    this.#ends.set(session, end)
    forgetOldest(this.#ends, remembered)
    return end
  }

  async #writeInTurn(containerId: string, line: string): Promise<SessionEnd> {
    const queue = this.#turns.get(containerId) ?? { turn: new Slots(1), users: 0 }
    this.#turns.set(containerId, queue)
    queue.users++
    try {
      await queue.turn.run(() => writeInput(this.#engine, containerId, `${line}\n`))
      return { why: 'written', detail: '' }
    } catch (error) {
      return { why: 'refused', detail: messageOf(error) }
    } finally {
      if (--queue.users === 0) this.#turns.delete(containerId)
    }
  }
}
