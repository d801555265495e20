// Webhooks as tests see them: two ApiServers, the loop of the leading controllers, receivers, and events to order.
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook as Verifier } from 'standardwebhooks'
import type { StreamedEvent } from '../../functions/runners/controllers/webhooks/deliverer.ts'
import { keepWebhooks } from '../../functions/runners/controllers/webhooks/keepWebhooks.ts'
import type { Kv } from '../../functions/stores/etcd/kv.ts'
import { AddressGuard } from '../../shared/addressGuard.ts'
import { answerOf } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import type { ArmadaEvent } from '../../shared/model/event.ts'
import type { DeadLetter, WebhookView } from '../../shared/model/webhook.ts'
import type { ApiServer } from './apiServer.ts'
import { Receiver } from './receiver.ts'
import { startTwoServers, type TwoServers } from './twoServers.ts'
import { reasonOf, until as untilWithin } from './until.ts'

const log = createLog('test', process.env.ARMADA_LOG ?? 'silent')
const guard = new AddressGuard('127.0.0.0/8')

/** A busy machine takes its time. */
export const until = (holds: () => boolean | Promise<boolean>) => untilWithin(holds, 60_000)

/** Events as the stream gives them; the test says what happens. */
class Happenings {
  readonly #kv: Pick<Kv, 'commit'>
  readonly #events: StreamedEvent[] = []
  readonly #numbers = new Map<string, number>()
  /** Events up to it are no longer kept. */
  forgotten = 0
  revision = 0

  constructor(kv: Pick<Kv, 'commit'>) {
    this.#kv = kv
  }

  /** Takes a revision of the real store, so that a webhook made later begins behind it. */
  async happen(ship: string, type = 'ship.ready', fleet: string | null = null): Promise<string> {
    const number = (this.#numbers.get(ship) ?? 0) + 1
    this.#numbers.set(ship, number)
    const revision = await this.#kv.commit([], [{ put: '/test/happened', value: ship }])
    this.revision = revision as number
    const id = `${revision}-0`
    const event: ArmadaEvent = {
      ...{ id, type, at: new Date().toISOString(), ship, fleet, number, attempt: 1 },
      ...{ state: 'Ready', host: 'north', reason: null },
    }
    this.#events.push({ event: 'event', id, data: JSON.stringify(event) })
    return id
  }

  async inTurn(ships: readonly string[]): Promise<string[]> {
    const ids: string[] = []
    for (const ship of ships) ids.push(await this.happen(ship))
    return ids
  }

  async *after(cursor: string, signal: AbortSignal): AsyncGenerator<StreamedEvent> {
    let at = Number(cursor.split('-')[0])
    if (at < this.forgotten) {
      at = this.forgotten
      yield { event: 'reset', id: String(at), data: '{}' }
    }
    while (!signal.aborted) {
      for (const event of this.#events.filter(({ id }) => Number.parseInt(id as string, 10) > at)) {
        at = Number.parseInt(event.id as string, 10)
        yield event
      }
      yield { event: 'bookmark', id: String(at), data: '{}' }
      await delay(20, undefined, { signal }).catch(() => undefined)
    }
  }
}

type Wanted = Partial<Parameters<ApiServer['admin']['v1']['webhooks']['$post']>[0]['json']>

interface Leader {
  epoch: number
  /** Why it ended; undefined when it was stopped. */
  ended: Promise<unknown>
  stop(): Promise<void>
}

export class Hooks {
  readonly servers: TwoServers
  readonly happenings: Happenings
  leader!: Leader
  readonly #receivers: Receiver[] = []
  #names = 0

  private constructor(servers: TwoServers) {
    this.servers = servers
    this.happenings = new Happenings(servers.a.stores.kv)
  }

  static async start(): Promise<Hooks> {
    const hooks = new Hooks(await startTwoServers())
    await hooks.lead('a')
    return hooks
  }

  async stop(): Promise<void> {
    await this.leader.stop()
    for (const one of this.#receivers) await one.stop()
    await this.servers.stop()
  }

  /** Another leader from now on, through that ApiServer. */
  async lead(through: 'a' | 'b'): Promise<void> {
    const api = this.servers[through]
    const epoch = await api.lead('controllers')
    const ending = new AbortController()
    const running = keepWebhooks({
      ...{ client: api.runner, epoch, log, guard, signal: ending.signal },
      events: (after, signal) => this.happenings.after(after, signal),
    })
    const ended = reasonOf(running)
    this.leader = {
      epoch,
      ended,
      async stop() {
        ending.abort()
        await ended
      },
    }
  }

  async receiver(respond?: Receiver['respond']): Promise<Receiver> {
    const started = await Receiver.start(respond)
    this.#receivers.push(started)
    return started
  }

  /** A webhook to that receiver, and how to look at it through the other ApiServer. */
  async create(to: Receiver, wanted: Wanted = {}) {
    const json = { name: `hook-${this.#names++}`, url: to.url, ...wanted }
    const made = await answerOf(this.servers.a.admin.v1.webhooks.$post({ json }))
    const reader = { param: { webhook: made.name } }
    const view = (): Promise<WebhookView> =>
      answerOf(this.servers.b.admin.v1.webhooks[':webhook'].$get(reader)) as Promise<WebhookView>
    const letters = async (): Promise<DeadLetter[]> => {
      const route = this.servers.b.admin.v1.webhooks[':webhook']['dead-letters']
      return (await answerOf(route.$get({ ...reader, query: {} }))).deadLetters as DeadLetter[]
    }
    const patch = (json: object) =>
      answerOf(this.servers.a.admin.v1.webhooks[':webhook'].$patch({ ...reader, json, header: {} }))
    return { ...made, param: reader.param, view, letters, patch }
  }
}

/** Whether the message is signed with that secret. */
export function isSignedBy(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    return Boolean(new Verifier(secret).verify(body, headers))
  } catch {
    return false
  }
}
