// Job: an entry in the box of a host. Only a pointer: what to run is learned by claiming it.
//
// Beside the pointer a start job carries what the ship takes, because as long as no advice shows the ship its
// job is what tells the next leader of the scheduler that the room is taken.
import { z } from 'zod'
import type { Holding } from './holding.ts'
import { Name } from './name.ts'
import { OnceEach, standingAt } from './onceEach.ts'
import { PortChoice } from './port.ts'
import { Resources } from './resources.ts'
import { TraceId } from './traceId.ts'

const attempt = z.int().min(1)
const Taking = z.strictObject({ fleet: Name.nullable(), resources: Resources })

export interface StartJob extends z.infer<typeof Taking> {
  kind: 'start'
  ship: string
  attempt: number
  ports: PortChoice
  /** Of the request that made the ship, or changed it last. */
  traceId?: string
}

export interface StopJob {
  kind: 'stop'
  ship: string
  attempt: number
  /** When it was written, by the writer's clock (ms since 1970): for tidying up, and for nothing else. */
  atMs: number
  /** Of the request that stops the ship. */
  traceId?: string
}

export type Job = StartJob | StopJob

/** What a Worker needs of a job. */
export type Order = Pick<StartJob, 'kind' | 'ship' | 'attempt' | 'ports' | 'traceId'> | Omit<StopJob, 'atMs'>

/** A stop that nobody has read by then is learned by the agent's next hello. */
const stopKeptMs = 600_000

/** By then the agent has read it, unless it is out of ZooKeeper's sight: then it says hello. */
const stopReadMs = 15_000

export function isOldStop(job: Job, keptMs = stopKeptMs): boolean {
  return job.kind === 'stop' && Math.abs(Date.now() - job.atMs) > keptMs
}

/** Makes room in a box that is full: three thousand ships ended on one host within minutes fill it. */
export function isReadStop(job: Job): boolean {
  return isOldStop(job, stopReadMs)
}

export function jobKey({ kind, ship, attempt }: Job): string {
  return `${kind} ${ship}/${attempt}`
}

export function holdingOf({ ship, attempt, fleet, resources, ports }: StartJob): Holding {
  return { ship, attempt, fleet, resources, hostPorts: [...new Set(Object.values(ports))] }
}

// On the wire each different taking, and each trace, stands once, and jobs point at it: a thousand starts cost some
// 60 kB, and at most 45 kB more if each has a trace of its own.
const trace = z.int().min(0).optional()
const Box = z.strictObject({
  v: z.literal(1),
  takings: z.array(Taking),
  traces: z.array(TraceId).optional(),
  starts: z.array(z.tuple([Name, attempt, z.int().min(0), PortChoice, trace])),
  stops: z.array(z.tuple([Name, attempt, z.int().min(0), trace])),
})

export function encodeJobs(jobs: readonly Job[]): Buffer {
  const takings = new OnceEach<z.infer<typeof Taking>>()
  const traces = new OnceEach<string>()
  const starts: z.infer<typeof Box>['starts'] = []
  const stops: z.infer<typeof Box>['stops'] = []
  for (const job of jobs) {
    const traceAt: [number?] = job.traceId === undefined ? [] : [traces.at(job.traceId)]
    if (job.kind === 'stop') {
      stops.push([job.ship, job.attempt, job.atMs, ...traceAt])
    } else {
      const { ship, attempt, fleet, resources, ports } = job
      starts.push([ship, attempt, takings.at({ fleet, resources }), ports, ...traceAt])
    }
  }
  const also = traces.all.length > 0 ? { traces: traces.all } : {}
  return Buffer.from(JSON.stringify({ v: 1, takings: takings.all, ...also, starts, stops }))
}

/** @throws when the bytes are not the jobs of a box. An empty box has none. */
export function decodeJobs(data: Buffer): Job[] {
  if (data.length === 0) return []
  const { takings, traces = [], starts, stops } = Box.parse(JSON.parse(data.toString()))
  const traceAt = (at: number | undefined, ship: string) =>
    at === undefined ? {} : { traceId: standingAt(traces, at, `the trace of ${ship}`) }
  return [
    ...starts.map(([ship, attempt, at, ports, trace]): StartJob => {
      const taking = standingAt(takings, at, `the job of ${ship}`)
      return { kind: 'start', ship, attempt, ports, ...taking, ...traceAt(trace, ship) }
    }),
    ...stops.map(
      ([ship, attempt, atMs, trace]): StopJob => ({
        ...{ kind: 'stop', ship, attempt, atMs },
        ...traceAt(trace, ship),
      }),
    ),
  ]
}
