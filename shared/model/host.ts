// Host: a machine that carries ships, as its agent describes it and as the cluster sees it.
import { z } from 'zod'
import { Address } from './address.ts'
import { PullState } from './image.ts'
import { Labels, Name } from './name.ts'
import { Taint } from './placement.ts'
import { PortRange, PortRanges } from './port.ts'
import { amountOf, mapped, ResourceName, Resources } from './resources.ts'

export const Overcommit = z
  .record(ResourceName, z.number().min(0.1).max(100))
  .refine((ratios) => Object.keys(ratios).length <= 19, 'at most 19 resources')
export type Overcommit = z.infer<typeof Overcommit>

export const HostDescription = z
  .strictObject({
    id: Name,
    address: Address.describe('Where players reach its ships: an IP address or a name'),
    capacity: Resources.describe('What ships may use: the machine less what it reserves'),
    overcommit: Overcommit.optional().describe(
      'How many times over the host gives a resource away: `cpu`, `memory`, `disk` or an extra one. Default: 1',
    ),
    reserved: Resources.optional().describe('Kept from ships, after the overcommit. Default: nothing'),
    ports: PortRange,
    portRanges: PortRanges.optional().describe(
      'Further ranges by name, for ports that name theirs. One that overlaps another before it is not used',
    ),
    labels: Labels.default({}),
    taints: z.array(Taint).max(16).default([]),
    agentVersion: z.string().max(64),
    resizes: z.literal(true).optional().describe('Its agent can change the limits of ships that run'),
  })
  .meta({ id: 'HostDescription' })
/** What the agent registers: static between two starts of the agent. */
export type HostDescription = z.infer<typeof HostDescription>

/** What ships may ask of the host, all together: capacity × overcommit − reserved. */
export function allocatableOf({
  capacity,
  overcommit,
  reserved,
}: Pick<HostDescription, 'capacity' | 'overcommit' | 'reserved'>): Resources {
  if (!overcommit && !reserved) return capacity
  return mapped(capacity, (name, amount) => {
    const ratio = overcommit && Object.hasOwn(overcommit, name) ? (overcommit[name] ?? 1) : 1
    return Math.max(0, Math.floor(amount * ratio) - (reserved ? amountOf(reserved, name) : 0))
  })
}

export const HostSample = z.strictObject({
  cpuMillis: z.number().min(0).describe('CPU used on the whole machine, in thousandths of a core'),
  memoryMiB: z.number().min(0).describe('Memory used on the whole machine'),
  load1: z.number().min(0),
  diskFreeMiB: z.number().min(0).nullable().describe('Free space where Docker keeps its data'),
  diskTotalMiB: z.number().min(0).nullable().optional().describe('All space there'),
  rxBytesPerSecond: z.number().min(0).optional().describe('Received over all its network devices'),
  txBytesPerSecond: z.number().min(0).optional().describe('Sent over all its network devices'),
  clockSkewMs: z
    .number()
    .optional()
    .describe('Its clock less that of the ApiServer that heard it, and less what its report took on the way'),
  degraded: z
    .string()
    .max(512)
    .nullable()
    .describe(
      'Why the host takes no new ships: its Docker engine does not answer, or a disk is full, or does neither answer nor take what is written; null when it is well',
    ),
  images: z.int().min(0).optional().describe('Images that Armada pulled here and has not removed'),
  imageNames: z
    .array(z.string().max(256))
    .max(50)
    .optional()
    .describe('The names of those, the one first that ships needed last'),
  pulls: z.array(PullState).max(32).optional().describe('Images that are being pulled'),
})
/** What the Advisor measures every few seconds. */
export type HostSample = z.infer<typeof HostSample>

const by = z.string().describe('Who ordered it')
const reason = z.string().max(256)

export const Cordon = z.strictObject({ reason, since: z.iso.datetime(), by })
export const Drain = z.strictObject({
  since: z.iso.datetime(),
  deadline: z.iso.datetime().describe('Until then ships in use may finish'),
  by,
})

export const HostOrders = z.strictObject({
  labels: Labels.describe("Kept apart from the agent's, and win over them"),
  cordon: Cordon.nullable().describe('The host takes no new ships'),
  drain: Drain.nullable().describe('Its ships are moved elsewhere; always with a cordon'),
})
/** What people ordered of a host. */
export type HostOrders = z.infer<typeof HostOrders>

export const Host = HostDescription.extend({
  joinedAt: z.iso.datetime(),
  credentialDigest: z.string().describe('SHA-256 of the credential of its agent'),
  nextDigest: z.string().optional().describe('Of the credential that takes over when it is first used'),
  previous: z
    .strictObject({ digest: z.string(), until: z.iso.datetime() })
    .optional()
    .describe('The credential before, which is good until then'),
  orders: HostOrders.optional().describe('Absent until somebody orders something'),
})
/** The record in etcd. */
export type Host = z.infer<typeof Host>

/** Of the cordon that comes with a drain for which nobody gave a reason. */
export const noReasonOfDrain = 'draining'

const noOrders: HostOrders = Object.freeze({ labels: {}, cordon: null, drain: null })

export function ordersOf(host: Host): HostOrders {
  return host.orders ?? noOrders
}

export const HostView = Host.omit({ credentialDigest: true, nextDigest: true, previous: true, orders: true })
  .extend({
    revision: z.string().describe('Changes with every change of the record'),
    labels: Labels.describe("The agent's, and over them those that people gave"),
    ownLabels: Labels.describe('Those that people gave'),
    allocatable: Resources.describe('What its ships may ask for together: capacity × overcommit − reserved'),
    cordon: Cordon.nullable().describe('Why it takes no new ships; null when it does'),
    drain: Drain.extend({
      state: z
        .enum(['Draining', 'Overdue', 'Drained'])
        .describe('Overdue: the deadline has passed and ships in use are being stopped'),
      left: z.int().min(0).describe('Ships that are still aboard'),
      inUse: z
        .int()
        .min(0)
        .describe('Those of them that are Allocated or Reserved, or were before they became Unhealthy'),
      expectedEnd: z.iso
        .datetime()
        .nullable()
        .describe(
          'When the last of those is done, as far as they have said so (`doneBy`): it may be after the deadline. null: none has',
        ),
      unsaid: z.int().min(0).describe('Those in use that have not said when they are done'),
      late: z.int().min(0).describe('Those in use that should have been done by now'),
    }).nullable(),
    state: z
      .enum(['Online', 'Degraded', 'Silent'])
      .describe('Silent: no report for 15 s, so that what it shows may be out of date'),
    lastReportAt: z.iso.datetime().nullable(),
    ships: z.int().min(0).describe('Ships that are on it'),
    sample: HostSample.nullable(),
  })
  .meta({ id: 'Host' })
/** A host as the API shows it. */
export type HostView = z.infer<typeof HostView>
