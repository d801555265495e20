// The whole API as one type, put together from the declarations of its routes.
import type { OpenAPIHono, RouteConfig } from '@hono/zod-openapi'
import type { Hono } from 'hono'
import type { BlankEnv } from 'hono/types'
import type * as agonesAllocation from './agonesAllocation.ts'
import type * as allocations from './allocations.ts'
import type * as audit from './audit.ts'
import type * as autoscaling from './autoscaling.ts'
import type * as blueprints from './blueprints.ts'
import type * as cluster from './cluster.ts'
import type * as deliveries from './deliveries.ts'
import type * as drains from './drains.ts'
import type * as events from './events.ts'
import type * as fleets from './fleets.ts'
import type * as hosts from './hosts.ts'
import type * as imagePulls from './imagePulls.ts'
import type * as logs from './logs.ts'
import type * as monitor from './monitor.ts'
import type * as moves from './moves.ts'
import type * as offices from './offices.ts'
import type * as placements from './placements.ts'
import type * as quotas from './quotas.ts'
import type * as secrets from './secrets.ts'
import type * as ships from './ships.ts'
import type * as simulations from './simulations.ts'
import type * as tokens from './tokens.ts'
import type * as webhooks from './webhooks.ts'

declare const app: OpenAPIHono

/** What mounting a route adds to the type of an app. */
type Mounted<R extends RouteConfig> =
  ReturnType<typeof app.openapi<R>> extends OpenAPIHono<infer _E, infer Schema, infer _B> ? Schema : never

type RoutesOf<Module> = {
  [Name in keyof Module]: Module[Name] extends RouteConfig ? Mounted<Module[Name]> : never
}[keyof Module]

type Both<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never

type Routes =
  | RoutesOf<typeof agonesAllocation>
  | RoutesOf<typeof allocations>
  | RoutesOf<typeof audit>
  | RoutesOf<typeof autoscaling>
  | RoutesOf<typeof blueprints>
  | RoutesOf<typeof cluster>
  | RoutesOf<typeof deliveries>
  | RoutesOf<typeof drains>
  | RoutesOf<typeof events>
  | RoutesOf<typeof fleets>
  | RoutesOf<typeof hosts>
  | RoutesOf<typeof imagePulls>
  | RoutesOf<typeof logs>
  | RoutesOf<typeof monitor>
  | RoutesOf<typeof moves>
  | RoutesOf<typeof offices>
  | RoutesOf<typeof placements>
  | RoutesOf<typeof quotas>
  | RoutesOf<typeof secrets>
  | RoutesOf<typeof ships>
  | RoutesOf<typeof simulations>
  | RoutesOf<typeof tokens>
  | RoutesOf<typeof webhooks>

export type Api = Hono<BlankEnv, Both<Routes>, '/'>
