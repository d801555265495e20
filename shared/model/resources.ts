// What a ship asks for and a host has, and the arithmetic between the two.
import { z } from 'zod'

export const Resources = z.strictObject({
  cpuMillis: z.int().min(0).max(1_024_000).describe('CPU, in thousandths of a core'),
  memoryMiB: z.int().min(0).max(16_777_216).describe('Memory, in MiB'),
})
export type Resources = z.infer<typeof Resources>

export const noResources: Resources = Object.freeze({ cpuMillis: 0, memoryMiB: 0 })

export function add(a: Resources, b: Resources): Resources {
  return { cpuMillis: a.cpuMillis + b.cpuMillis, memoryMiB: a.memoryMiB + b.memoryMiB }
}

export function subtract(a: Resources, b: Resources): Resources {
  return { cpuMillis: a.cpuMillis - b.cpuMillis, memoryMiB: a.memoryMiB - b.memoryMiB }
}

export function fits(request: Resources, free: Resources): boolean {
  return request.cpuMillis <= free.cpuMillis && request.memoryMiB <= free.memoryMiB
}
