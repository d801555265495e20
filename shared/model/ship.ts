// Ship: one gameserver, one container on one host, with an id that never changes.
import { z } from 'zod'
import { Allocations } from './allocation.ts'
import { BlueprintRef } from './blueprint.ts'
import { Explanation } from './explanation.ts'
import { ShipGang } from './gang.ts'
import { ShipHistory } from './history.ts'
import { Labels, Name } from './name.ts'
import { ShipOverflow } from './overflow.ts'
import { Port } from './port.ts'
import { Resize } from './resize.ts'
import { Resources } from './resources.ts'
import { Annotations, Counters, Lists } from './shipData.ts'
import { ShipState } from './shipState.ts'
import { TraceId } from './traceId.ts'

/** Over the last 30 s; left out or null until it was read twice. */
const rate = z.number().min(0).nullable().optional()

export const ShipSample = z.strictObject({
  ship: Name,
  players: z.int().min(0).nullable(),
  maxPlayers: z.int().min(0).nullable(),
  emptyForMs: z
    .number()
    .min(0)
    .nullable()
    .optional()
    .describe(
      'How long nobody has played, as far as its agent has counted; null: somebody does, or nobody counts',
    ),
  map: z.string().max(128).nullable(),
  cpuMillis: z.number().min(0).nullable().describe('CPU used, in thousandths of a core'),
  memoryMiB: z.number().min(0).nullable(),
  rxBytesPerSecond: rate.describe("Received over its own network; null on the host's"),
  txBytesPerSecond: rate.describe("Sent over its own network; null on the host's"),
  readBytesPerSecond: rate.describe('Read from disks'),
  writeBytesPerSecond: rate.describe('Written to disks'),
})
/** What the Advisor last measured of a ship. */
export type ShipSample = z.infer<typeof ShipSample>

export const ShipExit = z
  .strictObject({
    code: z.int().nullable().describe("The container's exit code; null when nobody saw it end"),
    oomKilled: z.boolean().describe('Ended by the memory limit'),
    logTail: z.array(z.string().max(1_000)).max(20).describe('The last lines it printed, oldest first'),
    at: z.iso.datetime(),
    sample: ShipSample.omit({ ship: true })
      .nullable()
      .optional()
      .describe('What was last measured of it while it ran; null when nothing was'),
  })
  .meta({ id: 'ShipExit' })
export type ShipExit = z.infer<typeof ShipExit>

export const Ship = z.strictObject({
  id: Name,
  fleet: Name.nullable(),
  name: Name.optional().describe(
    '`{fleet}-{number}`, in a fleet with `naming` ordinal: of this ship alone, and of its successor when it has ended',
  ),
  blueprint: BlueprintRef,
  labels: Labels,
  priority: z.int().min(0).max(100).describe('Higher is placed first'),
  state: ShipState,
  stateSince: z.iso.datetime(),
  attempt: z.int().min(1).describe('Raised each time the ship is queued again; fences everything older'),
  failedStarts: z.int().min(0).describe('Starts that failed so far; see lifecycle.startAttempts'),
  crashes: z.int().min(0).optional().describe('Crashes in a row after it was Ready; see lifecycle.restart'),
  reason: z
    .string()
    .nullable()
    .describe(
      'Why it is in this state, why it cannot be placed yet, how far its image is pulled, or what keeps it from ending',
    ),
  host: Name.nullable(),
  address: z.string().nullable().describe("The host's address for players"),
  ports: z.array(Port),
  resources: Resources.describe('What it asks for'),
  resize: Resize.optional().describe('The last change of its limits as it ran, in this attempt'),
  annotations: Annotations.optional().describe(
    'Texts that the ship gave itself, or got; nobody selects by them',
  ),
  counters: Counters.optional().describe(
    'Declared in its blueprint; changed by the ship, by allocations and by its probe',
  ),
  lists: Lists.optional().describe('Declared in its blueprint; changed by the ship and by allocations'),
  allocations: Allocations.optional().describe('The sessions that it was handed to, oldest first'),
  countedDown: z
    .record(z.string(), z.int().min(1))
    .optional()
    .describe(
      'Counter -> what the ship has counted down of what its allocations added: when these end it is not taken off again',
    ),
  reservedUntil: z.iso
    .datetime()
    .nullable()
    .optional()
    .describe('When a Reserved ship is Ready again; null: when it says so'),
  wasInUse: z
    .enum(['Reserved', 'Allocated'])
    .nullable()
    .optional()
    .describe('What an Unhealthy or Lost ship was, and is again when it is well'),
  overflow: ShipOverflow.optional().describe('It is beyond what its fleet has place for'),
  speaks: z.boolean().optional().describe('It speaks an SDK: it is told at once of changes to this record'),
  said: z.int().min(0).optional().describe('Number of the last word of its SDK that was taken'),
  home: Name.nullable().optional().describe('The host that it goes back to if it can'),
  avoidHosts: z.array(Name).describe('Hosts that could not start it'),
  exit: ShipExit.nullable(),
  failing: z
    .boolean()
    .optional()
    .describe('It is ended because it was Unhealthy for too long: that is a crash'),
  moving: z.boolean().optional().describe('It stops only to leave its host: then it is queued again'),
  gang: ShipGang.optional().describe('Ships that are placed all or none; see `gang` of `POST /v1/ships`'),
  createdAt: z.iso.datetime(),
  createdBy: Name.optional().describe(
    'The token under whose quota it counts: that of who made it, or its fleet',
  ),
  traceId: TraceId.optional().describe(
    'W3C trace id of the request that made it, or changed it last: what schedulers and agents do for it is logged with it',
  ),
  readyAt: z.iso.datetime().nullable().describe('First time this attempt was Ready'),
  requestDigest: z
    .string()
    .describe('Digest of the request that made it; tells a repeated request from another'),
  placement: Explanation.extend({ at: z.iso.datetime() })
    .optional()
    .describe('Why this attempt was put on its host, or last refused; see `GET /v1/ships/{ship}/placement`'),
  history: ShipHistory.optional().describe('What happened to it last; absent in records of older versions'),
})
/** The record in etcd. */
export type Ship = z.infer<typeof Ship>

/** Its number among the ships of its fleet; 0 when it has none. */
export function ordinalOf({ name }: Pick<Ship, 'name'>): number {
  return Number(name?.slice(name.lastIndexOf('-') + 1) ?? 0)
}

export const ShipView = Ship.omit({ requestDigest: true, history: true, said: true, placement: true })
  .extend({
    revision: z.string().describe('Changes with every change of the record'),
    sample: ShipSample.omit({ ship: true })
      .nullable()
      .describe('Last measurement; null when there is none, and of a ship that does not run'),
  })
  .meta({ id: 'Ship' })
/** A ship as the API shows it. */
export type ShipView = z.infer<typeof ShipView>
