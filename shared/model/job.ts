// Job: an entry in a worker's queue. Only a pointer: what to run is learned by claiming it.
import { z } from 'zod'
import { Name } from './name.ts'
import { PortChoice } from './port.ts'

export const Job = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('start'), ship: Name, attempt: z.int().min(1), ports: PortChoice }),
  z.strictObject({ kind: z.literal('stop'), ship: Name, attempt: z.int().min(1) }),
])
export type Job = z.infer<typeof Job>

const JobBatch = z.strictObject({ v: z.literal(1), jobs: z.array(Job) })

export function encodeJobs(jobs: readonly Job[]): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, jobs }))
}

/** @throws when the bytes are not a batch of jobs. */
export function decodeJobs(data: Buffer): Job[] {
  return JobBatch.parse(JSON.parse(data.toString())).jobs
}
