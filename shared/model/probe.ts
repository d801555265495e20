// How Armada learns that a ship is ready, stays well, and how many play on it.
import { z } from 'zod'
import { Name } from './name.ts'

const timing = {
  periodMs: z.int().min(250).max(300_000).default(2_000).describe('Time between two probes'),
  timeoutMs: z.int().min(100).max(60_000).default(1_000).describe('One probe may take this long'),
  failures: z.int().min(1).max(100).default(3).describe('Failures in a row that make a Ready ship Unhealthy'),
  startLimitMs: z
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(60_000)
    .describe('A ship that is not Ready by then is stopped and started elsewhere'),
}

export const Probe = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }).describe('Ready as soon as the container runs'),
  z
    .strictObject({ type: z.literal('tcp'), port: Name, ...timing })
    .describe('Ready when the named port accepts a TCP connection'),
  z
    .strictObject({
      type: z.literal('log'),
      pattern: z.string().min(1).max(256).describe('Text that a log line must contain'),
      ...timing,
    })
    .describe('Ready when a log line contains the text'),
  z
    .strictObject({
      type: z.literal('query'),
      port: Name,
      game: z
        .string()
        .regex(/^[a-z0-9-]{1,64}$/)
        .describe("The game's type in the gamedig library"),
      ...timing,
    })
    .describe('Ready when the game answers its own query; also reads players and map'),
  z
    .strictObject({
      type: z.literal('http'),
      port: Name,
      path: z
        .string()
        .max(512)
        .regex(/^\/[\x21-\x7e]*$/, 'must begin with "/" and have no spaces')
        .default('/'),
      ...timing,
    })
    .describe('Ready when the named port answers a GET with a status from 200 to 399'),
  z
    .strictObject({
      type: z.literal('exec'),
      command: z.array(z.string().min(1).max(4_096)).min(1).max(64).describe('Run inside the container'),
      ...timing,
    })
    .describe('Ready when the command ends with exit code 0'),
  z
    .strictObject({
      type: z.literal('sdk'),
      health: z.boolean().default(true).describe('Whether missing health pings make the ship Unhealthy'),
      initialDelayMs: z
        .int()
        .min(0)
        .max(3_600_000)
        .default(5_000)
        .describe('Health pings are watched from this long after the start on'),
      periodMs: z
        .int()
        .min(250)
        .max(300_000)
        .default(5_000)
        .describe('A health ping is due within each such time'),
      failures: z
        .int()
        .min(1)
        .max(100)
        .default(3)
        .describe('Periods in a row without a ping that make it Unhealthy'),
      startLimitMs: timing.startLimitMs,
    })
    .describe('Ready when the ship says so through its SDK; its health pings are watched'),
])
export type Probe = z.infer<typeof Probe>

/** The ports a probe asks for by name. */
export function probedPort(probe: Probe): string | undefined {
  return 'port' in probe ? probe.port : undefined
}
