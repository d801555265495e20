// Every znode path that Armada uses, in one table.
import { namePattern } from '../model/name.ts'

/** An id is checked here once more, so that no other text ever becomes part of a path. */
function checked(id: string): string {
  if (!namePattern.test(id)) throw new Error(`not an id, so not part of a path: ${JSON.stringify(id)}`)
  return id
}

export const paths = {
  /** Sequential nodes, each a batch of tickets. */
  schedulerQueue: '/armada/scheduler/queue',
  schedulerElection: '/armada/scheduler/election',
  controllersElection: '/armada/controllers/election',
  workers: '/armada/worker',
  /** What the host's agent registered: capacity, labels, version. */
  worker: (id: string) => `/armada/worker/${checked(id)}`,
  /** A mailbox: its value is the jobs of this host. */
  workerQueue: (id: string) => `/armada/worker/${checked(id)}/queue`,
  /** Ephemeral: the host's agent is alive. */
  workerPresence: (id: string) => `/armada/worker/${checked(id)}/presence`,
  advisors: '/armada/advisor',
  /** The host's measurements, as far as they matter to placement. */
  advisor: (id: string) => `/armada/advisor/${checked(id)}`,
} as const

/** Office -> where it is stood for. */
export const elections = {
  scheduler: paths.schedulerElection,
  controllers: paths.controllersElection,
} as const

/** What every process that connects makes sure of before it begins. */
export const roots: readonly string[] = [
  paths.schedulerQueue,
  paths.schedulerElection,
  paths.controllersElection,
  paths.workers,
  paths.advisors,
]
