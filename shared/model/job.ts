// Job: an entry in the box of a host. Only a pointer: what to run is learned by claiming it.
//
// Beside the pointer a start job carries what the ship takes, because as long as no advice shows the ship its
// job is what tells the next leader of the scheduler that the room is taken.
import { z } from 'zod'
import type { Holding } from './holding.ts'
import { Name } from './name.ts'
import { PortChoice } from './port.ts'
import { Resources } from './resources.ts'

const attempt = z.int().min(1)
const Taking = z.strictObject({ fleet: Name.nullable(), resources: Resources })

export interface StartJob extends z.infer<typeof Taking> {
  kind: 'start'
  ship: string
  attempt: number
  ports: PortChoice
}

export interface StopJob {
  kind: 'stop'
  ship: string
  attempt: number
  /** When it was written, by the writer's clock (ms since 1970): for tidying up, and for nothing else. */
  atMs: number
}

export type Job = StartJob | StopJob

/** What a Worker needs of a job. */
export type Order = Pick<StartJob, 'kind' | 'ship' | 'attempt' | 'ports'> | Omit<StopJob, 'atMs'>

/** A stop that nobody has read by then is learned by the agent's next hello. */
const stopKeptMs = 600_000

export function isOldStop(job: Job): boolean {
  return job.kind === 'stop' && Math.abs(Date.now() - job.atMs) > stopKeptMs
}

export function jobKey({ kind, ship, attempt }: Job): string {
  return `${kind} ${ship}/${attempt}`
}

export function holdingOf({ ship, attempt, fleet, resources, ports }: StartJob): Holding {
  return { ship, attempt, fleet, resources, hostPorts: [...new Set(Object.values(ports))] }
}

// On the wire each different taking stands once, and start jobs point at it: a thousand cost some 60 kB.
const Box = z.strictObject({
  v: z.literal(1),
  takings: z.array(Taking),
  starts: z.array(z.tuple([Name, attempt, z.int().min(0), PortChoice])),
  stops: z.array(z.tuple([Name, attempt, z.int().min(0)])),
})

export function encodeJobs(jobs: readonly Job[]): Buffer {
  const takings: z.infer<typeof Taking>[] = []
  const index = new Map<string, number>()
  const starts: z.infer<typeof Box>['starts'] = []
  const stops: z.infer<typeof Box>['stops'] = []
  for (const job of jobs) {
    if (job.kind === 'stop') {
      stops.push([job.ship, job.attempt, job.atMs])
      continue
    }
    const { ship, attempt, fleet, resources, ports } = job
    const key = JSON.stringify([fleet, resources])
    let at = index.get(key)
    if (at === undefined) {
      at = takings.push({ fleet, resources }) - 1
      index.set(key, at)
    }
    starts.push([ship, attempt, at, ports])
  }
  return Buffer.from(JSON.stringify({ v: 1, takings, starts, stops }))
}

/** @throws when the bytes are not the jobs of a box. An empty box has none. */
export function decodeJobs(data: Buffer): Job[] {
  if (data.length === 0) return []
  const { takings, starts, stops } = Box.parse(JSON.parse(data.toString()))
  return [
    ...starts.map(([ship, attempt, at, ports]): StartJob => {
      const taking = takings[at]
      if (!taking) throw new Error(`the job of ${ship} points at taking ${at} of ${takings.length}`)
      return { kind: 'start', ship, attempt, ports, ...taking }
    }),
    ...stops.map(([ship, attempt, atMs]): StopJob => ({ kind: 'stop', ship, attempt, atMs })),
  ]
}
