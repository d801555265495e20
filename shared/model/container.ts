// What a ship's container may have and take, beside its image and its share of the host.
import { z } from 'zod'
import { Name } from './name.ts'

/** Of Linux's capabilities those that cannot reach out of a container; all others are always dropped. */
export const Capability = z.enum([
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETUID',
])
export type Capability = z.infer<typeof Capability>

const Ulimit = z.int().min(0).max(1_048_576)

export const Ulimits = z.strictObject({
  nofile: Ulimit.optional().describe('Open files and sockets'),
  nproc: Ulimit.optional().describe('Processes and threads of its user'),
  core: Ulimit.optional().describe('Size of core files, in KiB'),
  stack: Ulimit.optional().describe('Size of a stack, in KiB'),
  memlock: Ulimit.optional().describe('Memory locked into RAM, in KiB'),
})
export type Ulimits = z.infer<typeof Ulimits>

export const Limits = z.strictObject({
  cpu: z
    .enum(['quota', 'shares'])
    .default('quota')
    .describe(
      'quota: never more CPU than resources.cpuMillis; shares: more while the host has some idle, and its share of cpuMillis when it has none',
    ),
  cpuSet: z
    .string()
    .regex(/^\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?){0,31}$/, 'must be cores such as "0-3" or "2,4"')
    .optional()
    .describe('Cores of the host that it may run on, by their numbers'),
  pids: z.int().min(16).max(32_768).default(512).describe('Processes and threads at a time'),
  logMiB: z
    .int()
    .min(1)
    .max(1_024)
    .default(30)
    .describe('Output that is kept on the host, in MiB; the oldest goes first'),
  ulimits: Ulimits.prefault({}).describe('Soft and hard alike'),
})
export type Limits = z.infer<typeof Limits>

/** Folders that the kernel or the container's own set-up stands in. */
const taken = /^\/(proc|sys|dev|run\/armada)(\/|$)/

export const MountPath = z
  .string()
  .max(256)
  .regex(/^(\/[A-Za-z0-9_.-]+)+$/, 'must be a whole path such as "/data"')
  .refine(
    (path) => !path.split('/').some((part) => part === '.' || part === '..'),
    'may not have "." or ".." in it',
  )
  .refine((path) => !taken.test(path), 'is a folder of the system')

export const Tmpfs = z.strictObject({
  path: MountPath,
  sizeMiB: z.int().min(1).max(65_536).default(64).describe("In MiB; counts as the ship's memory"),
})
export type Tmpfs = z.infer<typeof Tmpfs>

export const Volume = z.strictObject({
  name: Name,
  path: MountPath,
  keep: z
    .boolean()
    .default(false)
    .describe(
      "true: it outlives restarts of the ship on the same host, and goes when the ship's record has ended; false: empty at each start",
    ),
  sizeMiB: z
    .int()
    .min(1)
    .max(1_073_741_824)
    .optional()
    .describe('In MiB, what it is expected to hold; resources.diskMiB must ask for as much. Not enforced'),
})
export type Volume = z.infer<typeof Volume>

/** `lifecycle.stopSignal` in a blueprint; the image's own when it is left out, or SIGTERM. */
export const StopSignal = z.enum(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'])
