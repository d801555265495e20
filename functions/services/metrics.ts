// The figures of this ApiServer and of the cluster, for Prometheus.
import type { Registry } from 'prom-client'
import * as routes from '../../shared/api/cluster.ts'
import { guarded } from '../middleware/authenticate.ts'
import { serviceApp } from './serviceApp.ts'

export function metricsService(registry: Registry) {
  return serviceApp().openapi(guarded(routes.getMetrics), async (c) =>
    c.text(await registry.metrics(), 200, { 'content-type': registry.contentType }),
  )
}
