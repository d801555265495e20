// What a ship asks for and a host has, and the arithmetic between the two.
import { z } from 'zod'
import { namePattern } from './name.ts'

/** In bytes. */
export const MiB = 1024 * 1024

/** How people call the resources that every host has; any other name is an extra one. */
const fields = { cpu: 'cpuMillis', memory: 'memoryMiB', disk: 'diskMiB' } as const
const taken = [...Object.keys(fields), 'ports', 'ships']

export const ResourceName = z
  .string()
  .regex(namePattern, 'must be of a-z, 0-9 and "-", at most 63 characters')
export const ExtraResources = z
  .record(ResourceName, z.int().min(0).max(1_000_000))
  .refine((extra) => !taken.some((name) => Object.hasOwn(extra, name)), {
    message: `a name must not be one of ${taken.join(', ')}`,
  })
  .refine((extra) => Object.keys(extra).length <= 16, 'at most 16 extra resources')
  .describe('Named resources that are only counted, as in `{"gpu": 1}`: a ship gets no device by asking')

export const Resources = z
  .strictObject({
    cpuMillis: z.int().min(0).max(1_024_000).describe('CPU, in thousandths of a core'),
    memoryMiB: z.int().min(0).max(16_777_216).describe('Memory, in MiB'),
    diskMiB: z
      .int()
      .min(0)
      .max(1_073_741_824)
      .optional()
      .describe('Disk, in MiB: counted when a host is chosen, not enforced. Default: 0'),
    extra: ExtraResources.optional(),
  })
  .meta({ id: 'Resources' })
export type Resources = z.infer<typeof Resources>

export const noResources: Resources = Object.freeze({ cpuMillis: 0, memoryMiB: 0 })

const nothingElse: [string, number][] = []

/** Disk and the extra resources by name: what few ships ask for. */
export function othersIn({ diskMiB, extra }: Resources): readonly [name: string, amount: number][] {
  if (diskMiB === undefined && extra === undefined) return nothingElse
  return [
    ...(diskMiB === undefined ? [] : [['disk', diskMiB] as [string, number]]),
    ...Object.entries(extra ?? {}),
  ]
}

/** How much of the resource of this name, in its unit; 0 where it is not named. */
export function amountOf(resources: Resources, name: string): number {
  if (isField(name)) return resources[fields[name]] ?? 0
  const { extra } = resources
  return (extra && Object.hasOwn(extra, name) ? extra[name] : undefined) ?? 0
}

export function isField(name: string): name is keyof typeof fields {
  return Object.hasOwn(fields, name)
}

/** The same resources in other amounts. */
export function mapped(resources: Resources, change: (name: string, amount: number) => number): Resources {
  const { cpuMillis, memoryMiB, diskMiB, extra } = resources
  return {
    cpuMillis: change('cpu', cpuMillis),
    memoryMiB: change('memory', memoryMiB),
    ...(diskMiB !== undefined && { diskMiB: change('disk', diskMiB) }),
    ...(extra && {
      extra: Object.fromEntries(Object.entries(extra).map(([name, amount]) => [name, change(name, amount)])),
    }),
  }
}

export function add(a: Resources, b: Resources): Resources {
  return combined(a, b, 1)
}

export function subtract(a: Resources, b: Resources): Resources {
  return combined(a, b, -1)
}

/** All of them together. */
export function sumOf(all: Iterable<Resources>): Resources {
  let sum = noResources
  for (const one of all) sum = add(sum, one)
  return sum
}

/** Of each resource the larger amount. */
export function larger(a: Resources, b: Resources): Resources {
  const { diskMiB, extra } = combined(a, b, 1)
  const most = (name: string) => Math.max(amountOf(a, name), amountOf(b, name))
  return {
    cpuMillis: most('cpu'),
    memoryMiB: most('memory'),
    ...(diskMiB !== undefined && { diskMiB: most('disk') }),
    ...(extra && { extra: Object.fromEntries(Object.keys(extra).map((name) => [name, most(name)])) }),
  }
}

export function fits(request: Resources, free: Resources): boolean {
  if (request.cpuMillis > free.cpuMillis || request.memoryMiB > free.memoryMiB) return false
  return othersIn(request).every(([name, amount]) => amount <= amountOf(free, name))
}

export function sameResources(a: Resources, b: Resources): boolean {
  if (a.cpuMillis !== b.cpuMillis || a.memoryMiB !== b.memoryMiB) return false
  if (a.diskMiB === b.diskMiB && a.extra === b.extra) return true
  return fits(a, b) && fits(b, a)
}

function combined(a: Resources, b: Resources, sign: 1 | -1): Resources {
  const sum: Resources = {
    cpuMillis: a.cpuMillis + sign * b.cpuMillis,
    memoryMiB: a.memoryMiB + sign * b.memoryMiB,
  }
  const names = new Set([...othersIn(a), ...othersIn(b)].map(([name]) => name))
  if (names.size === 0) return sum
  const extra: Record<string, number> = {}
  for (const name of names) {
    const amount = amountOf(a, name) + sign * amountOf(b, name)
    if (name === 'disk') sum.diskMiB = amount
    else extra[name] = amount
  }
  return Object.keys(extra).length > 0 ? { ...sum, extra } : sum
}
