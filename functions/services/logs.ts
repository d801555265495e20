// Logs and consoles of ships, for people. The agents' part of it is in the MonitorService.
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import * as routes from '../../shared/api/logs.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Ship } from '../../shared/model/ship.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import { type Env, guarded } from '../middleware/authenticate.ts'
import type { Caller } from '../middleware/callers.ts'
import { seesFleet } from '../middleware/scope.ts'
import type { Stores } from '../stores/stores.ts'
import { asEvents, asText, responseOf } from './logs/outputFormats.ts'
import type { Readers } from './logs/readers.ts'
import { writeLine } from './logs/shipInput.ts'
import { shipOutput } from './logs/shipOutput.ts'
import type { AgentStreams } from './monitor/agentStreams.ts'
import { serviceApp } from './serviceApp.ts'

export function logService(stores: Stores, streams: AgentStreams, readers: Readers) {
  const open = new Set<AbortController>()
  // At shutdown readers are sent away as agents are, to come again elsewhere.
  void streams.whenClosed.then(() => {
    for (const over of open) over.abort()
  })

  return serviceApp()
    .openapi(guarded(routes.getLogs), async (c) => {
      const { ship: id } = c.req.valid('param')
      const { tail, since = null, follow, timestamps } = c.req.valid('query')
      const { accept = '', 'last-event-id': after } = c.req.valid('header')
      await shipFor(c, stores, id)
      const leave = readers.enter(c.get('caller'), id)
      const over = new AbortController()
      open.add(over)
      over.signal.addEventListener('abort', () => open.delete(over))
      const output = shipOutput(stores, {
        ...{ ship: id, since, follow, after, signal: over.signal },
        tail: after ? null : (tail ?? (since === null ? 100 : null)),
      })
      const format = accept.includes('text/event-stream') ? asEvents : asText(timestamps, follow)
      return responseOf(c, output, { format, follow, over, leave, mayRead: () => mayStillRead(c) })
    })
    .openapi(guarded(routes.writeConsole), async (c) => {
      const { ship: id } = c.req.valid('param')
      const { line } = c.req.valid('json')
      const key = c.req.valid('header')['idempotency-key']
      const ship = await shipFor(c, stores, id)
      const { name, revision } = ship.blueprint
      const blueprint = await stores.blueprints.get(name, revision)
      if (blueprint?.spec.console !== 'stdin') throw noConsole(ship)
      if (isFinished(ship.state)) {
        throw new ArmadaError('conflict', `Ship "${id}" is ${ship.state}; nobody reads its console any more.`)
      }
      const leave = readers.enter(c.get('caller'), id)
      try {
        const session = key && sessionFor(c.get('caller'), key, id, line)
        return c.json(await writeLine(stores, ship, line, session), 200)
      } finally {
        leave()
      }
    })
}

/** @throws ArmadaError not_found also for a ship that the caller may not see. */
async function shipFor(c: Context<Env>, { ships }: Stores, id: string): Promise<Ship> {
  const row = await ships.get(id)
  if (row && seesFleet(c.get('caller'), row.value.fleet)) return row.value
  throw new ArmadaError('not_found', `There is no ship "${id}". Ships that ended are forgotten after a time.`)
}

/** A reader may stay for days; the token it came with may be revoked meanwhile. */
function mayStillRead(c: Context<Env>): Promise<boolean> {
  return c
    .get('isStillCaller')()
    .catch(() => true)
}

/** The same for the same intention: an agent that has written it says so, and does not write it again. */
function sessionFor({ role, name }: Caller, key: string, ship: string, line: string): string {
  return createHash('sha256')
    .update(JSON.stringify([role, name, key, ship, line]))
    .digest('base64url')
}

function noConsole({ id, blueprint: { name, revision } }: Ship): ArmadaError {
  return new ArmadaError(
    'conflict',
    `Ship "${id}" takes no input: revision ${revision} of blueprint "${name}" has no console. Publish one with "console": "stdin", if the game reads commands from its standard input, and make new ships.`,
  )
}
