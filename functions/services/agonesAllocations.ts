// Allocations in the words of Agones: its requests become ours, and our answers its.
import {
  type AgonesRequest,
  type AgonesResponse,
  type AgonesSelector,
  allocateAsAgones,
} from '../../shared/api/agonesAllocation.ts'
import { ArmadaError } from '../../shared/errors.ts'
import {
  type AllocationRequest,
  type AllocationView,
  hopelessGift,
  type ShipSelector,
} from '../../shared/model/allocation.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Allocator } from './allocations/allocator.ts'
import { takeFor } from './allocations.ts'
import { serviceApp } from './serviceApp.ts'

const fleetLabel = 'agones.dev/fleet'

export function agonesAllocationService(allocator: Allocator) {
  return serviceApp().openapi(guarded(allocateAsAgones), async (c) => {
    const given = await takeFor(c, allocator, possible(requestOf(c.req.valid('json'))))
    if (given.replayed) c.header('idempotency-replayed', 'true')
    return c.json(responseOf(given.allocations[0] as AllocationView), 200)
  })
}

/** @throws ArmadaError invalid_request */
function possible(request: AllocationRequest): AllocationRequest {
  const hopeless = hopelessGift(request)
  if (!hopeless) return request
  throw new ArmadaError('invalid_request', `In the body, ${hopeless.path.join('.')}: ${hopeless.message}`)
}

function requestOf(asked: AgonesRequest): AllocationRequest {
  const { gameServerSelectors, requiredGameServerSelector, preferredGameServerSelectors } = asked
  const { labels, annotations } = asked.metadata ?? asked.metaPatch ?? { labels: {}, annotations: {} }
  // One that is not there requires nothing: as in Agones any ship that is Ready will do in the end.
  const required = requiredGameServerSelector ? selectorOf(requiredGameServerSelector) : anyShip
  // What is preferred is preferred among those that are required.
  const older = [
    ...preferredGameServerSelectors.map((one) => {
      const selector = selectorOf(one)
      const matchLabels = { ...selector.matchLabels, ...required.matchLabels }
      const fleet = required.fleet ?? selector.fleet
      return { ...selector, matchLabels, ...(fleet !== undefined && { fleet }) }
    }),
    required,
  ]
  return {
    selectors: gameServerSelectors.length > 0 ? gameServerSelectors.map(selectorOf) : older,
    strategy: asked.scheduling === 'Packed' ? 'packed' : 'distributed',
    priorities: asked.priorities.map(({ type, key, order }) => ({
      type: type === 'Counter' ? 'counter' : 'list',
      key,
      order: order === 'Ascending' ? 'ascending' : 'descending',
    })),
    ...{ count: 1, labels, annotations, waitSeconds: 0, reserve: false },
    counters: mapped(asked.counters, ({ action, amount, capacity }) => ({
      ...(action && amount !== undefined && { add: action === 'Increment' ? amount : -amount }),
      capacity,
    })),
    lists: mapped(asked.lists, ({ addValues, deleteValues, capacity }) => ({
      ...{ append: addValues, remove: deleteValues, capacity },
    })),
  }
}

const anyShip: ShipSelector = {
  matchLabels: {},
  matchExpressions: [],
  state: 'Ready',
  counters: {},
  lists: {},
}

function selectorOf({ matchLabels, gameServerState, counters, lists }: AgonesSelector): ShipSelector {
  const { [fleetLabel]: fleet, ...labels } = matchLabels
  return {
    ...(fleet !== undefined && { fleet }),
    ...{ matchLabels: labels, matchExpressions: [] },
    state: gameServerState === 'READY' ? 'Ready' : 'Allocated',
    counters: mapped(counters, ({ maxAvailable, maxCount, ...least }) => ({
      ...least,
      ...unlessZero({ maxAvailable, maxCount }),
    })),
    lists: mapped(lists, ({ maxAvailable, containsValue, ...least }) => ({
      ...least,
      ...unlessZero({ maxAvailable }),
      ...(containsValue && { contains: containsValue }),
    })),
  }
}

/** Agones' upper limits are none when they are 0. */
function unlessZero<T extends Record<string, number | undefined>>(limits: T): Partial<T> {
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit)) as Partial<T>
}

function responseOf(view: AllocationView): AgonesResponse {
  const { id, ship, fleet, host, address, ports, labels, annotations, counters, lists } = view
  return {
    gameServerName: ship,
    ports: ports.flatMap(({ name, hostPort }) => (hostPort === null ? [] : [{ name, port: hostPort }])),
    address: address ?? '',
    addresses: address ? [{ type: 'ExternalIP', address }] : [],
    nodeName: host ?? '',
    source: 'local',
    metadata: {
      labels: { ...labels, ...(fleet && { [fleetLabel]: fleet }) },
      annotations: { ...annotations, 'armada/allocation': id },
    },
    counters: mapped(counters, ({ count, capacity }) => ({
      ...{ count: String(count), capacity: String(capacity) },
    })),
    lists: mapped(lists, ({ values, capacity }) => ({ values, capacity: String(capacity) })),
  }
}

function mapped<A, B>(all: Record<string, A>, one: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, one(value)]))
}
