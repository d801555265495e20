// The ApiServer at the edge, as a Worker: lookups close to players and proxies, and all else goes on to Node.
//
// INVARIANTS
// - What is answered here is answered by the modules that Node mounts too, and equals Node's answer byte for
//   byte. So fleets and lists are forwarded: Node counts them in the memory that its watch on etcd feeds.
// - Nothing is written here, and nothing that belongs to one request outlives it.
import { Hono } from 'hono'
import { ArmadaError } from '../shared/errors.ts'
import { consoleLog } from './consoleLog.ts'
import { readEdgeSettings } from './edgeSettings.ts'
import { authenticate, type Env } from './middleware/authenticate.ts'
import { Callers } from './middleware/callers.ts'
import { forward } from './middleware/forward.ts'
import { onError } from './middleware/problems.ts'
import { identify } from './middleware/request.ts'
import { blueprintLookup } from './services/blueprints.ts'
import { aliveService } from './services/cluster.ts'
import { shipLookup } from './services/ships.ts'
import { edgeStores, noSamples } from './stores/edgeStores.ts'

type Bindings = Record<string, unknown>

export default worker()

function worker() {
  // A Worker is given the same settings with every request, so that one app serves them all.
  let app: Hono<Env> | undefined
  return {
    fetch(request: Request, bindings: Bindings): Response | Promise<Response> {
      app ??= createEdge(bindings)
      return app.fetch(request)
    },
  }
}

function createEdge(bindings: Bindings): Hono<Env> {
  const settings = readEdgeSettings(bindings)
  const log = consoleLog({ component: 'edge' }, 'wrong' in settings ? 'info' : settings.logLevel)
  const app = new Hono<Env>()
  app.use(identify(log))
  app.onError(onError(log))
  if ('wrong' in settings) {
    const detail = `The edge is not set up: ${settings.wrong.join('; ')}.`
    app.all('*', () => {
      throw new ArmadaError('internal', detail)
    })
    return app
  }
  const { api, etcd, redis, adminToken, runnerToken } = settings
  const { ships, blueprints, samples, identities } = edgeStores({ etcd, redis }, log)

  const onwards = forward({ api, log })

  app.route('/', aliveService())
  // Only what is answered here asks who is calling; the rest an ApiServer asks.
  app.on(
    'GET',
    ['/v1/blueprints/*', '/v1/ships/*'],
    authenticate(new Callers({ adminToken, runnerToken, identities })),
  )
  app.route('/', blueprintLookup({ blueprints }))
  // Without Redis the samples are an ApiServer's to tell; ships are shown without them while it does not answer.
  if (!samples) app.get('/v1/ships/:ship', (c, next) => onwards(c).catch(next))
  app.route('/', shipLookup({ ships, samples: samples ?? noSamples }))
  app.all('*', onwards)
  return app
}
