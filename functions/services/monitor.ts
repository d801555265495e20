// MonitorService: all that hosts' agents say and ask. A host sees and moves its own ships only.

import { streamSSE } from 'hono/streaming'
import * as routes from '../../shared/api/monitor.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { sleep } from '../../shared/loop.ts'
import { type BlueprintSpec, keepsVolumes } from '../../shared/model/blueprint.ts'
import type { Grant } from '../../shared/model/grant.ts'
import { isEmpty } from '../../shared/model/session.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isAboard, isFinished } from '../../shared/model/shipState.ts'
import { traced } from '../../shared/trace.ts'
import { bindingsOf } from '../middleware/answer.ts'
import { guarded } from '../middleware/authenticate.ts'
import { tellTraces } from '../middleware/request.ts'
import { largeShipsPerCommit } from '../stores/ships.ts'
import type { Stores } from '../stores/stores.ts'
import { crash } from './changes/crash.ts'
import {
  claim,
  end,
  giveBack,
  ready,
  starting,
  stopping,
  unhealthy,
  whyStopping,
} from './changes/lifecycle.ts'
import { noSuchHost } from './hosts.ts'
import type { AgentStreams } from './monitor/agentStreams.ts'
import { HostAdvice } from './monitor/hostAdvice.ts'
import { imagesNeeded } from './monitor/imagesNeeded.ts'
import { leftovers } from './monitor/leftovers.ts'
import { PlayersHeard } from './monitor/playersHeard.ts'
import { PullOrders } from './monitor/pullOrders.ts'
import { ResizeAnswers } from './monitor/resizeAnswers.ts'
import { shipWords } from './monitor/shipWords.ts'
import { serviceApp } from './serviceApp.ts'
import { queueTickets } from './ships/tickets.ts'

const pingMs = 10_000
/** Characters that an agent may leave unread. */
const mostUnread = 1_000_000
/** For an agent to read what it was told last, such as that its host was removed. */
const lastWordsMs = 1_000
const noRestart = { policy: 'never', most: 1 } as const

export function monitorService(stores: Stores, streams: AgentStreams) {
  const { ships, hosts, berths, samples, blueprints, sessions, mirror } = stores
  const pullOrders = new PullOrders(stores)
  const resizes = new ResizeAnswers(stores)
  const advice = new HostAdvice(stores)
  const players = new PlayersHeard(stores)
  sessions.onCall((host, call) => streams.tell(host, 'session', call))
  return serviceApp()
    .openapi(guarded(routes.join), async (c) => {
      const { token, host } = c.req.valid('json')
      c.set('subject', host.id)
      const credential = await hosts.join(token, host)
      if (credential) return c.json({ credential }, 201)
      throw new ArmadaError(
        'forbidden',
        `This join token is not good for host "${host.id}": it was used, has expired, or was made for another. POST /v1/hosts/join-tokens makes a new one.`,
      )
    })
    .openapi(guarded(routes.renewCredential), async (c) => {
      const me = c.get('caller').name
      const credential = await hosts.nextCredential(me)
      if (!credential) throw noSuchHost(me)
      return c.json({ credential }, 200)
    })
    .openapi(guarded(routes.hello), async (c) => {
      const me = c.get('caller').name
      const { host, ships: carried } = c.req.valid('json')
      if (host.id !== me) throw notYou(me, host.id)
      await hosts.describe(host)
      if (!host.resizes) await resizes.giveUp(me)
      const wanted = ships.index
        .ofHost(me)
        .map((row) => row.value)
        .filter(belongsAboard)
      const attempts = new Map(wanted.map((ship) => [ship.id, ship.attempt]))
      const doubtful = carried.filter(({ ship, attempt }) => attempts.get(ship) !== attempt)
      // Strays are stopped, and memory may lag behind. Not asked ship by ship: 5,000 that nobody knows took 11 s.
      if (doubtful.length > 0) await mirror.catchUp()
      const strays = doubtful.filter((entry) => isStray(me, entry))
      return c.json({ wanted: await grants(wanted), strays }, 200)
    })
    .openapi(guarded(routes.claim), async (c) => {
      const me = c.get('caller').name
      const { claims } = c.req.valid('json')
      tellTraces(c, claims)
      const address = hosts.table.get(me)?.value.address ?? ''
      const asked = new Map(claims.map((entry) => [entry.ship, entry]))
      const ids = await known([...asked.keys()])
      const specs = await specsOf(ids)
      const yes = new Map<string, Ship>()
      const no = new Map([...asked.keys()].map((id) => [id, 'there is no such ship']))
      await ships.update(ids, (ship) => {
        const { attempt, ports } = asked.get(ship.id) as (typeof claims)[number]
        const spec = specs.get(ship.id)
        const answer = spec ? claim(ship, attempt, me, address, spec, ports) : { no: 'its blueprint is gone' }
        yes.delete(ship.id)
        no.delete(ship.id)
        if ('no' in answer) no.set(ship.id, answer.no)
        else yes.set(ship.id, answer.yes)
        return 'yes' in answer && answer.yes !== ship ? answer.yes : undefined
      })
      for (const ship of await unsettled([...yes.values()], specs)) {
        yes.delete(ship)
        no.set(ship, 'it has left this host')
      }
      const refused = claims.flatMap(({ ship, attempt }) => {
        const reason = no.get(ship)
        return reason === undefined ? [] : [{ ship, attempt, reason }]
      })
      return c.json({ granted: await grants([...yes.values()]), refused }, 200)
    })
    .openapi(guarded(routes.report), async (c) => {
      const me = c.get('caller').name
      const {
        changes,
        left,
        anew,
        host,
        sentAtEpochMs,
        holdings,
        resized,
        ships: measured,
        pulls: ended,
      } = c.req.valid('json')
      const skew = sentAtEpochMs === undefined ? {} : { clockSkewMs: sentAtEpochMs - Date.now() }
      tellTraces(c, changes)
      const mine = measured.filter(({ ship }) => ships.table.get(ship)?.value.host === me)
      const stale = await applyChanges(me, changes)
      const answered = await resizes.take(me, resized)
      // State changes count also while Redis or ZooKeeper is away; what these miss comes with a later report.
      await samples.record(me, host && { ...host, ...skew }, mine).catch(() => undefined)
      await players.heard(me, mine)
      const outdated = new Set(stale.map(({ ship }) => ship))
      const ends = changes.filter((change) => routes.isFinal(change) && !outdated.has(change.ship))
      const said = {
        degraded: host || holdings ? (host?.degraded ?? null) : undefined,
        ended: [...left, ...ends.map(({ ship, attempt }) => ({ ship, attempt }))],
        // What was answered before may have been told to nobody: another ApiServer died of it.
        ...{ holdings, anew: (anew || resized.length > 0) && holdings !== null },
      }
      const advised = await advice.tell(me, said, answered)
      // A host counts as alive also while etcd is away: what cannot be recorded comes again.
      const pulls = await pullOrders.exchange(me, ended).catch(() => undefined)
      return c.json(
        { stale, resendHoldings: !advised, resendPulls: pulls === undefined, pulls: pulls ?? [] },
        200,
      )
    })
    .route('/', shipWords(stores))
    .route('/', leftovers(stores))
    .route('/', imagesNeeded(stores))
    .openapi(guarded(routes.stream), (c) => {
      const me = c.get('caller').name
      const { outgoing } = bindingsOf(c)
      return streamSSE(c, async (stream) => {
        const over = new AbortController()
        let unread = 0
        const write = async (event: string, data: string) => {
          unread += event.length + data.length
          await stream.writeSSE({ event, data })
          unread -= event.length + data.length
        }
        // An agent that does not read would keep its stream, and what it is told, for as long as it likes.
        const end = () => {
          over.abort()
          setTimeout(() => unread > 0 && outgoing?.destroy(), lastWordsMs).unref()
        }
        const close = streams.open(me, {
          call: (event, data) => (unread > mostUnread ? end() : void write(event, data)),
          end,
        })
        over.signal.addEventListener('abort', close)
        stream.onAbort(() => over.abort())
        while (!over.signal.aborted) {
          await write('ping', '')
          await sleep(pingMs, over.signal)
        }
      })
    })
    .openapi(guarded(routes.output), async (c) => {
      const { session } = c.req.valid('param')
      const chunk = c.req.valid('json')
      const opens = chunk.seq === 0 && isEmpty(chunk)
      const passed = await sessions.pass(c.get('caller').name, session, JSON.stringify(chunk), opens)
      if (passed) return c.json(passed, 200)
      throw new ArmadaError('not_found', 'Nobody listens to this session of this host (any more). End it.')
    })

  /** Writes down that this host has what those with names keep. @returns the ships that have left it meanwhile. */
  async function unsettled(
    claimed: readonly Ship[],
    specs: ReadonlyMap<string, BlueprintSpec>,
  ): Promise<string[]> {
    const keep = claimed.filter(
      ({ id, name }) => name !== undefined && keepsVolumes(specs.get(id) ?? { volumes: [] }),
    )
    const settled = await Promise.all(keep.map((ship) => berths.settle(ship)))
    return keep.flatMap(({ id }, i) => (settled[i] ? [] : [id]))
  }

  function isStray(me: string, { ship, attempt }: { ship: string; attempt: number }): boolean {
    const row = ships.table.get(ship)
    return !row || row.value.host !== me || row.value.attempt !== attempt || !belongsAboard(row.value)
  }

  /** The ships that there are: a host may name any number of others, and costs no more than one question to etcd. */
  async function known(ids: readonly string[]): Promise<string[]> {
    if (!ids.every((id) => ships.table.get(id))) await mirror.catchUp()
    return ids.filter((id) => ships.table.get(id))
  }

  async function applyChanges(me: string, changes: readonly routes.ShipReport[]) {
    const last = new Map(changes.map((change) => [change.ship, change]))
    const ids = await known([...last.keys()])
    const specs = await specsOf(ids)
    const stale = new Map<string, { ship: string; attempt: number }>()
    for (const { ship, attempt } of last.values()) stale.set(ship, { ship, attempt })
    const changed = await ships.update(
      ids,
      (ship) => {
        const change = last.get(ship.id) as routes.ShipReport
        if (ship.host !== me || ship.attempt !== change.attempt || isFinished(ship.state)) return undefined
        stale.delete(ship.id)
        return next(ship, change, specs.get(ship.id))
      },
      undefined,
      largeShipsPerCommit,
    )
    await queueTickets(
      [...changed.values()].map((row) => row.value),
      stores,
    )
    return [...stale.values()]
  }

  async function specsOf(ids: readonly string[]): Promise<Map<string, BlueprintSpec>> {
    const specs = new Map<string, BlueprintSpec>()
    await Promise.all(
      ids.map(async (id) => {
        const row = await ships.get(id)
        const blueprint =
          row && (await blueprints.get(row.value.blueprint.name, row.value.blueprint.revision))
        if (blueprint) specs.set(id, blueprint.spec)
      }),
    )
    return specs
  }

  async function grants(granted: readonly Ship[]): Promise<Grant[]> {
    const specs = await specsOf(granted.map((ship) => ship.id))
    return granted.flatMap(
      ({ id, attempt, state, fleet, name, labels, blueprint, ports, resize, traceId }) => {
        const spec = specs.get(id)
        const keeper = name && berths.table.get(name)?.value.keeper
        const named = { ...(name && { name }), ...(keeper && { keeper }) }
        const limits = resize && { resize: resize.n }
        const rest = { ...named, ...limits, labels, blueprint, ports, ...traced({ traceId }) }
        return spec ? [{ ship: id, attempt, state, fleet, spec, ...rest }] : []
      },
    )
  }
}

/** Also a ship that counts as Lost is kept by its host as long as no other attempt has begun. */
function belongsAboard(ship: Ship): boolean {
  return (isAboard(ship.state) && ship.state !== 'Scheduled') || ship.state === 'Lost'
}

function next(ship: Ship, change: routes.ShipReport, spec: BlueprintSpec | undefined): Ship | undefined {
  const restart = spec?.lifecycle.restart ?? noRestart
  switch (change.state) {
    case 'Starting':
      return starting(ship, change.reason)
    case 'Ready':
      return ready(ship)
    case 'Unhealthy':
      return unhealthy(ship, change.reason)
    case 'Stopping':
      return stopping(ship, change.reason)
    case 'Stopped':
      return ship.failing
        ? crash(ship, whyStopping(ship) ?? change.reason, change.exit, restart)
        : end(ship, 'Stopped', 'agent', change.reason, change.exit)
    case 'Failed':
      return crash(ship, change.reason, change.exit, restart)
    case 'Returned':
      return giveBack(ship, change.reason, change.fault, change.exit, spec?.lifecycle.startAttempts ?? 1)
  }
}

function notYou(me: string, said: string): ArmadaError {
  return new ArmadaError('forbidden', `This credential is of host "${me}"; it cannot speak for "${said}".`)
}
