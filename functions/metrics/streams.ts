// The streams that are open at this ApiServer, by kind, counted when Prometheus asks.
import { Gauge, type Registry } from 'prom-client'

interface Counted {
  readonly size: number
}

/** Adds the gauge to the registry. */
export function measureStreams(registry: Registry, kinds: Readonly<Record<string, Counted>>): void {
  new Gauge({
    name: 'armada_streams_open',
    help: 'Streams open here: events (also watches of lists), logs (also consoles), agents',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const [kind, { size }] of Object.entries(kinds)) this.set({ kind }, size)
    },
  })
}
