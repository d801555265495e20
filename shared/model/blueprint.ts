// ShipBlueprint: the template of ships. A revision never changes; every change makes a new one.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Capability, Limits, Tmpfs, Volume } from './container.ts'
import { ImageReference } from './image.ts'
import { Lifecycle } from './lifecycle.ts'
import { Labels, Name } from './name.ts'
import { Placement } from './placement.ts'
import { PortRequest } from './port.ts'
import { Probe, probedPort } from './probe.ts'
import { ExtraResources } from './resources.ts'
import { SecretFile } from './secret.ts'
import { Counters, dataBytes, Lists, mostDataBytes } from './shipData.ts'

const Request = z.strictObject({
  cpuMillis: z.int().min(10).max(1_024_000).default(500).describe('CPU, in thousandths of a core'),
  memoryMiB: z.int().min(8).max(16_777_216).default(512).describe('Memory limit, in MiB, without swap'),
  diskMiB: z
    .int()
    .min(0)
    .max(1_073_741_824)
    .optional()
    .describe('Disk, in MiB: counted when a host is chosen, not enforced. Default: 0'),
  extra: ExtraResources.optional(),
})

/** Allocations count players who are on their way for 30 s: an answer of the game must not be older than that. */
const mostCountedMs = 10_000

export const BlueprintSpec = z
  .strictObject({
    image: ImageReference,
    command: z
      .array(z.string().max(4_096))
      .max(64)
      .optional()
      .describe(
        "Replaces the image's CMD (its ENTRYPOINT stays); $(NAME) becomes the ship's environment variable",
      ),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string().max(8_192))
      .refine((env) => Object.keys(env).every((name) => !name.startsWith('ARMADA_')), {
        message: 'names that begin with ARMADA_ are set by Armada',
      })
      .refine((env) => Object.keys(env).length <= 64, 'at most 64 variables')
      .default({}),
    secrets: z
      .array(SecretFile)
      .max(32)
      .default([])
      .describe('Files in memory with what `PUT /v1/secrets/{secret}` set; owned by `user`, or root'),
    user: z
      .string()
      .regex(/^\d{1,9}(:\d{1,9})?$/, 'must be "uid" or "uid:gid" in numbers')
      .optional()
      .describe("User inside the container; the image's own if left out"),
    readOnlyRoot: z
      .boolean()
      .default(false)
      .describe('The root file system is read-only; /tmp stays writable, and what tmpfs names'),
    tmpfs: z.array(Tmpfs).max(8).default([]).describe('Folders in memory'),
    volumes: z
      .array(Volume)
      .max(8)
      .default([])
      .describe(
        'Folders on the disk of the host. A ship with one that is kept goes back to its host as long as that stands and is open; elsewhere it starts empty, or waits with lifecycle.hostLost.policy "wait"',
      ),
    capabilities: z
      .array(Capability)
      .max(8)
      .default([])
      .describe('What root inside the container may do; without any it is as powerless as others'),
    limits: Limits.prefault({}),
    network: z.enum(['bridge', 'host']).default('bridge'),
    console: z
      .enum(['none', 'stdin'])
      .default('none')
      .describe(
        'Where the game takes commands: stdin is its standard input, kept open and written a line at a time',
      ),
    resources: Request.prefault({}),
    ports: z.array(PortRequest).max(16).default([]),
    probe: Probe.default({ type: 'none' }),
    sdk: z
      .enum(['none', 'agones'])
      .optional()
      .describe(
        "agones: the ship finds Agones' SDK server on its localhost; default: agones with the probe `sdk`, else none",
      ),
    counters: Counters.optional().describe(
      'What every ship counts, with its first values: `{"rooms": {"count": 0, "capacity": 10}}`; players whom the probe counts: `{"players": {"capacity": 16, "countedBy": "probe"}}`',
    ),
    lists: Lists.optional().describe(
      'Lists that every ship keeps, with their first values: `{"players": {"values": [], "capacity": 16}}`',
    ),
    placement: Placement.prefault({}),
    lifecycle: Lifecycle.prefault({}),
    labels: Labels.default({}).describe('Given to every ship'),
  })
  .refine((spec) => JSON.stringify(spec).length <= 65_536, 'a blueprint may have at most 64 KiB of JSON')
  .superRefine((spec, context) => {
    const names = spec.ports.map((port) => port.name)
    const doubled = names.find((name, i) => names.indexOf(name) !== i)
    if (doubled)
      context.addIssue({ code: 'custom', path: ['ports'], message: `two ports are named "${doubled}"` })
    if (spec.lifecycle.stopCommand !== undefined && spec.console === 'none') {
      const message = 'needs a console: add console: "stdin"'
      context.addIssue({ code: 'custom', path: ['lifecycle', 'stopCommand'], message })
    }
    const folders = [...spec.tmpfs, ...spec.volumes, ...spec.secrets].map(({ path }) => path)
    const twice = folders.find((path, i) => folders.indexOf(path) !== i)
    if (twice) {
      const found = (['secrets', 'volumes', 'tmpfs'] as const).filter((field) =>
        spec[field].some((one) => one.path === twice),
      )
      context.addIssue({ code: 'custom', path: found.slice(0, 1), message: `two things are at "${twice}"` })
    }
    const volumes = spec.volumes.map(({ name }) => name)
    const same = volumes.find((name, i) => volumes.indexOf(name) !== i)
    if (same)
      context.addIssue({ code: 'custom', path: ['volumes'], message: `two volumes are named "${same}"` })
    const sizeMiB = spec.volumes.reduce((sum, volume) => sum + (volume.sizeMiB ?? 0), 0)
    if (sizeMiB > (spec.resources.diskMiB ?? 0)) {
      const message = `the volumes are to hold ${sizeMiB} MiB: ask for as much, or more`
      context.addIssue({ code: 'custom', path: ['resources', 'diskMiB'], message })
    }
    const probed = probedPort(spec.probe)
    if (probed !== undefined && !names.includes(probed)) {
      const known = names.length > 0 ? `its ports are ${names.join(', ')}` : 'it has no ports'
      context.addIssue({
        code: 'custom',
        path: ['probe', 'port'],
        message: `the blueprint has no port "${probed}"; ${known}`,
      })
    }
    const port = spec.ports.find((one) => one.name === probed)
    if ((spec.probe.type === 'tcp' || spec.probe.type === 'http') && port?.protocol === 'udp') {
      context.addIssue({
        code: 'custom',
        path: ['probe', 'port'],
        message: `port "${port.name}" is udp, where a ${spec.probe.type} probe never gets an answer; probe another port, or use "query" or "log"`,
      })
    }
    if (spec.probe.type === 'sdk' && spec.sdk === 'none') {
      const message = 'the probe "sdk" waits for the word of the ship; leave it out, or choose another probe'
      context.addIssue({ code: 'custom', path: ['sdk'], message })
    }
    for (const [name, { countedBy, capacity }] of Object.entries(spec.counters ?? {})) {
      const wrong = countedBy === 'probe' && cannotCount(spec.probe, capacity)
      if (wrong)
        context.addIssue({ code: 'custom', path: ['counters', name, wrong.field], message: wrong.message })
    }
    if (dataBytes(spec) > mostDataBytes) {
      const message = `counters and lists may take ${mostDataBytes} bytes of JSON together`
      context.addIssue({ code: 'custom', path: ['lists'], message })
    }
    const inside = spec.ports.find((port) => spec.network === 'host' && port.policy === 'dynamic')
    if (inside) {
      context.addIssue({
        code: 'custom',
        path: ['ports'],
        message: `port "${inside.name}": with network "host" use policy "passthrough" or "static"`,
      })
    }
  })
  .meta({ id: 'BlueprintSpec' })
export type BlueprintSpec = z.infer<typeof BlueprintSpec>

function cannotCount(probe: Probe, capacity: number): { field: string; message: string } | undefined {
  if (probe.type !== 'query') {
    const message = `only a query probe counts players, and this blueprint's is "${probe.type}"`
    return { field: 'countedBy', message }
  }
  if (probe.periodMs > mostCountedMs) {
    const message = `players are counted no less often than every ${mostCountedMs} ms: lower probe.periodMs`
    return { field: 'countedBy', message }
  }
  if (capacity > 0) return undefined
  return { field: 'capacity', message: 'is what a new ship counts with until its game says more: at least 1' }
}

export const Blueprint = z
  .strictObject({
    name: Name,
    revision: z.int().min(1).describe('1, 2, 3 …; a revision never changes'),
    spec: BlueprintSpec,
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Blueprint' })
export type Blueprint = z.infer<typeof Blueprint>

export const BlueprintRef = z.strictObject({ name: Name, revision: z.int().min(1) })
export type BlueprintRef = z.infer<typeof BlueprintRef>

export function speaksSdk(spec: Pick<BlueprintSpec, 'probe' | 'sdk'>): boolean {
  return spec.sdk === 'agones' || spec.probe.type === 'sdk'
}

/** Whether its ships leave something on their hosts that they want to find again. */
export function keepsVolumes({ volumes }: Pick<BlueprintSpec, 'volumes'>): boolean {
  return volumes.some(({ keep }) => keep)
}

/** Tells whether two specs say the same, whatever the order of their keys. */
export function specDigest(spec: BlueprintSpec): string {
  const sorted = (_: string, value: unknown): unknown =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return createHash('sha256').update(JSON.stringify(spec, sorted)).digest('hex')
}
