// Sessions of this host: who reads what its ships print, and who writes to their consoles.
//
// INVARIANTS
// - A session is begun once, however often it is called.
// - So many a host and a ship, no more: the others are told so.
// - They have connections of their own, so that reports and claims never wait for them.
import { connect } from '../../shared/api/client.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { SessionCall } from '../../shared/model/session.ts'
import type { Engine } from '../docker/engine.ts'
import type { Roster } from '../roster.ts'
import { Consoles } from './consoleSession.ts'
import { passOutput } from './logSession.ts'
import { Sender } from './sender.ts'

const mostOfHost = 64
const mostOfShip = 16

export interface SessionOptions {
  url: string
  credential: { readonly token: string }
  engine: Engine
  roster: Roster
  log: Log
}

export class Sessions {
  readonly #options: SessionOptions
  readonly #api: ReturnType<typeof connect>
  readonly #consoles: Consoles
  readonly #open = new Map<string, { ship: string; sender: Sender }>()

  constructor(options: SessionOptions) {
    this.#options = options
    this.#api = connect({ url: options.url, token: () => options.credential.token, limitMs: 5_000 })
    this.#consoles = new Consoles(options.engine)
  }

  /** What came through the stream of the ApiServer. */
  called = (data: string): void => {
    const { log } = this.#options
    const call = SessionCall.safeParse(parsed(data)).data
    if (!call) {
      log.warn({ data: data.slice(0, 200) }, 'a session of an unknown kind was called')
      return
    }
    const { session, ship } = call
    if (this.#open.has(session)) return
    const sender = new Sender(this.#api, session)
    const isFull = this.#isFull(ship)
    this.#open.set(session, { ship, sender })
    this.#serve(call, sender, isFull)
      .catch((error: unknown) => log.error({ ship, error: messageOf(error) }, 'a session broke off'))
      .finally(() => {
        sender.abort()
        this.#open.delete(session)
      })
  }

  stop(): void {
    for (const { sender } of this.#open.values()) sender.abort()
  }

  #isFull(ship: string): boolean {
    const all = [...this.#open.values()]
    return all.length >= mostOfHost || all.filter((one) => one.ship === ship).length >= mostOfShip
  }

  async #serve(call: SessionCall, sender: Sender, isFull: boolean): Promise<void> {
    const { engine, roster, log } = this.#options
    const entry = roster.at(call)
    // Beyond the limit nothing is begun but the one answer that says so; of those there may be some more.
    if (isFull) {
      if (this.#open.size > 2 * mostOfHost) return
      sender.end('busy')
      return sender.run()
    }
    if (call.kind === 'console') {
      await this.#consoles.write(call, entry, sender)
      return sender.run()
    }
    await sender.open()
    if (!entry?.containerId) {
      sender.end('absent')
      return sender.run()
    }
    const reading = passOutput(engine, entry.containerId, call, sender, log)
    await Promise.all([sender.run(), reading])
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
