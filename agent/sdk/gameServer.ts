// A ship in the words of Agones: its GameServer message, in the JSON of protobuf (64-bit numbers are text). Pure.
import type { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { ShipState } from '../../shared/model/shipState.ts'
import type { ShipSelf } from '../../shared/model/word.ts'

/** Of this list Agones' player tracking is made. */
export const playerList = 'players'

const states: Readonly<Record<ShipState, string>> = {
  Queued: 'Creating',
  Scheduled: 'Scheduled',
  Starting: 'Scheduled',
  Ready: 'Ready',
  Reserved: 'Reserved',
  Allocated: 'Allocated',
  Unhealthy: 'Unhealthy',
  Stopping: 'Shutdown',
  Stopped: 'Shutdown',
  Failed: 'Error',
  Lost: 'Unhealthy',
}

export function gameServerOf(self: ShipSelf, probe: BlueprintSpec['probe']): Record<string, unknown> {
  const { ship, fleet, name, address, annotations } = self
  const ports = self.ports.flatMap(({ name, hostPort }) =>
    hostPort === null ? [] : [{ name, port: hostPort }],
  )
  return {
    object_meta: {
      name: ship,
      namespace: 'default',
      uid: `${ship}-${self.attempt}`,
      resource_version: String(self.revision),
      generation: String(self.attempt),
      creation_timestamp: String(Math.floor(Date.parse(self.createdAt) / 1_000)),
      annotations,
      labels: {
        ...self.labels,
        ...(fleet && { 'agones.dev/fleet': fleet }),
        ...(name && { 'armada.dev/name': name }),
      },
    },
    spec: { health: healthOf(probe) },
    status: {
      state: states[self.state],
      address: address ?? '',
      addresses: address ? [{ type: 'ExternalIP', address }] : [],
      ports,
      counters: mapped(self.counters, counterOf),
      lists: mapped(self.lists, listOf),
      ...playersOf(self.lists),
    },
  }
}

export function counterOf({ count, capacity }: { count: number; capacity: number }) {
  return { count: String(count), capacity: String(capacity) }
}

export function listOf({ values, capacity }: { values: string[]; capacity: number }) {
  return { capacity: String(capacity), values }
}

function playersOf({ [playerList]: list }: ShipSelf['lists']) {
  if (!list) return {}
  const { values: ids, capacity } = list
  return { players: { count: String(ids.length), capacity: String(capacity), ids } }
}

function healthOf(probe: BlueprintSpec['probe']): Record<string, unknown> {
  if (probe.type !== 'sdk' || !probe.health) return { disabled: true }
  return {
    disabled: false,
    period_seconds: Math.ceil(probe.periodMs / 1_000),
    failure_threshold: probe.failures,
    initial_delay_seconds: Math.ceil(probe.initialDelayMs / 1_000),
  }
}

function mapped<T, U>(record: Readonly<Record<string, T>>, to: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value)]))
}
