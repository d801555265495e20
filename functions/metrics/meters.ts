// What this ApiServer counts and times as it works, in one table, as Prometheus reads it.
//
// Counting takes 0.9 µs a request, where a lookup takes some 70.
// INVARIANT: every label has few values, whatever callers send: routes are patterns, never paths.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ProblemCode } from '../../shared/errors.ts'
import type { StoreWatch } from '../stores/storeWatch.ts'
import { SchedulerMeters } from './scheduler.ts'

const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const callBuckets = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export interface Answered {
  method: string
  /** The pattern of the route, or `none` when no route has it. */
  route: string
  status: number
  seconds: number
}

export type PlacementOutcome = 'placed' | 'refused' | 'stale'

export class Meters {
  readonly registry = new Registry()
  readonly #requests = new Counter({
    name: 'armada_http_requests_total',
    help: 'Requests answered, by route pattern',
    labelNames: ['method', 'route', 'status'],
    registers: [this.registry],
  })
  readonly #requestSeconds = new Histogram({
    name: 'armada_http_request_seconds',
    help: 'Time from a request to its answer; of a stream, to its beginning',
    labelNames: ['method', 'route'],
    buckets: requestBuckets,
    registers: [this.registry],
  })
  readonly #inFlight = new Gauge({
    name: 'armada_http_requests_in_flight',
    help: 'Requests being answered now',
    registers: [this.registry],
  })
  readonly #callSeconds = new Histogram({
    name: 'armada_store_call_seconds',
    help: 'Time of single calls to etcd, Redis and ZooKeeper',
    labelNames: ['store', 'operation'],
    buckets: callBuckets,
    registers: [this.registry],
  })
  readonly #callFailures = new Counter({
    name: 'armada_store_call_failures_total',
    help: 'Calls to etcd, Redis and ZooKeeper that failed or came too late',
    labelNames: ['store', 'operation'],
    registers: [this.registry],
  })
  readonly #ticketBatch = new Histogram({
    name: 'armada_ticket_batch_size',
    help: 'Tickets in each entry written into the scheduler queue',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
    registers: [this.registry],
  })
  readonly #placements = new Counter({
    name: 'armada_scheduler_placements_total',
    help: 'What the scheduler reported to this ApiServer, by outcome',
    labelNames: ['outcome'],
    registers: [this.registry],
  })
  readonly #waiting = new Gauge({
    name: 'armada_scheduler_waiting_tickets',
    help: 'Tickets that the scheduler held back at its last report to this ApiServer',
    registers: [this.registry],
  })

  readonly #allocations = new Counter({
    name: 'armada_allocations_total',
    help: 'Requests for allocations that this ApiServer answered, by result',
    labelNames: ['result'],
    registers: [this.registry],
  })
  readonly #allocationSeconds = new Histogram({
    name: 'armada_allocation_seconds',
    help: 'Time from a request for ships to its answer, waiting included',
    labelNames: ['result'],
    buckets: [...requestBuckets, 30, 60],
    registers: [this.registry],
  })
  readonly scheduler = new SchedulerMeters(this.registry)

  constructor() {
    // Process and event loop under the names that every dashboard for Node knows.
    collectDefaultMetrics({ register: this.registry })
  }

  began(): void {
    this.#inFlight.inc()
  }

  answered({ method, route, status, seconds }: Answered): void {
    this.#inFlight.dec()
    this.#requests.inc({ method, route, status })
    this.#requestSeconds.observe({ method, route }, seconds)
  }

  /** @param result `allocated`, `replayed`, or the code of the problem. */
  allocation(result: 'allocated' | 'replayed' | ProblemCode, seconds: number): void {
    this.#allocations.inc({ result })
    this.#allocationSeconds.observe({ result }, seconds)
  }

  placements(outcome: PlacementOutcome, count: number): void {
    if (count > 0) this.#placements.inc({ outcome }, count)
  }

  waiting(tickets: number): void {
    this.#waiting.set(tickets)
  }

  /** For the stores, which know nothing of meters. */
  readonly stores: StoreWatch = {
    called: (store, operation, ms, ok) => {
      this.#callSeconds.observe({ store, operation }, ms / 1_000)
      if (!ok) this.#callFailures.inc({ store, operation })
    },
    ticketsWritten: (count) => this.#ticketBatch.observe(count),
  }
}
