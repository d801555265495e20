// The agent's entry: reads the settings, opens connections, puts Worker, Advisor, Sessions and SDK together, hears
// signals.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '../shared/api/client.ts'
import { messageOf } from '../shared/errors.ts'
import { createLog } from '../shared/log.ts'
import { readSettings } from '../shared/settings.ts'
import { version } from '../shared/version.ts'
import { ZooKeeper } from '../shared/zookeeper/client.ts'
import { type Advisor, startAdvisor } from './advisor/advisor.ts'
import { Contact } from './contact.ts'
import { Credential } from './credential.ts'
import { describeHost, thisMachine } from './describe.ts'
import { Disks } from './disks.ts'
import { Engine } from './docker/engine.ts'
import { ImageLog } from './docker/imageLog.ts'
import { Images } from './docker/images.ts'
import { LastSamples } from './lastSamples.ts'
import { bootId, lockHost, placeOf } from './lock.ts'
import { Outbox } from './outbox.ts'
import { PullBook } from './pullBook.ts'
import { ResizeBook } from './resizeBook.ts'
import { Roster } from './roster.ts'
import { Sdk } from './sdk/sdk.ts'
import { SdkPortBook } from './sdkPorts.ts'
import { Sessions } from './sessions/sessions.ts'
import { startWorker } from './worker/worker.ts'

/** What becomes of the ships when the agent is told to stop; undefined: what the settings say. */
const stops = {
  SIGTERM: undefined,
  SIGINT: undefined,
  // Another agent follows at once.
  SIGHUP: 'keep',
  // None follows.
  SIGUSR2: 'return',
} as const

async function main(): Promise<void> {
  const settings = readSettings('agent')
  const { hostId, stateDir, docker, api: url, joinToken, sessionMs } = settings
  const log = createLog('agent', settings.logLevel).child({ host: hostId })
  const over = new AbortController()
  let { onStop } = settings
  const stopped = new Promise<void>((resolve) => {
    over.signal.addEventListener('abort', () => resolve())
    for (const [name, asked] of Object.entries(stops)) {
      process.once(name, () => {
        onStop = asked ?? onStop
        over.abort()
      })
    }
  })

  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  lockHost(hostId, docker, stateDir)
  const host = describeHost(settings, thisMachine(), version)
  const credential = await Credential.open({ stateDir, url, joinToken, host, signal: over.signal, log })
  if (over.signal.aborted) return

  await credential.assertKnown()
  const seen = { revision: 0 }
  const api = connect({ url, token: () => credential.token, session: seen })
  const engine = new Engine(docker)
  const disks = new Disks(stateDir, engine)
  const images = new Images(engine, log, {
    images: await ImageLog.open(join(stateDir, 'images.json')),
    authFile: settings.registryAuth,
  })
  const pulls = new PullBook()
  const roster = new Roster()
  const outbox = new Outbox()
  const resizes = new ResizeBook()
  const contact = new Contact()
  const lastSamples = new LastSamples(roster)
  const shared = { api, disks, engine, images, pulls, roster, outbox, resizes, contact, lastSamples, log }
  const sessions = new Sessions({ ...shared, url, credential })
  const openZooKeeper = (signal: AbortSignal): Promise<ZooKeeper> =>
    ZooKeeper.connect(
      {
        servers: settings.zookeeper,
        sessionTimeoutMs: sessionMs,
        ...(settings.zookeeperSecret && { secret: settings.zookeeperSecret }),
        connectTimeoutMs: 5_000,
        log,
      },
      signal,
    )

  let advisor: Advisor | undefined
  let sdk: Sdk | undefined
  const worker = startWorker({
    ...shared,
    ...{
      host,
      boot: bootId(),
      secretsDir: join(settings.secretsDir, hostId),
      url,
      credential,
      openZooKeeper,
      sessionMs,
      cleaning: {
        highPercent: settings.imageHighPercent,
        lowPercent: settings.imageLowPercent,
        minAgeMs: settings.imageMinAgeMs,
      },
    },
    place: placeOf(stateDir),
    sdkPorts: new SdkPortBook(settings.sdkPorts, () =>
      roster.list().flatMap((entry) => entry.sdkPorts ?? []),
    ),
    onSession: sessions.called,
    onRevision: (revision) => {
      seen.revision = Math.max(seen.revision, revision)
    },
    onHello: (wanted) => {
      advisor?.sendAll()
      sdk?.caughtUp(wanted)
    },
    onShip: (text) => sdk?.told(text),
    onConflict: (error) => {
      log.error({ error: error.message }, 'agent ends; its ships run on')
      process.exit(1)
    },
    // Its presence goes with it, so that nobody waits for a host that was removed.
    onRemoved: (error) => {
      log.error({ error: error.message }, 'this host was removed from the cluster; agent ends')
      process.exitCode = 1
      over.abort()
    },
  })
  sdk = new Sdk({ ...shared, onTooLate: worker.tooLate, onShutdown: worker.shutDown })
  advisor = startAdvisor({ ...shared, onStale: worker.stale, onTooLate: worker.tooLate })
  log.info({ url, description: host }, 'agent started')
  void disks.watch(over.signal, log)
  void credential.keepYoung(settings.credentialMs, over.signal)

  await stopped
  sessions.stop()
  log.info({ onStop, ships: roster.list().length }, 'agent stopping')
  if (onStop === 'return') {
    await worker.giveAllBack()
    await advisor.stop(5_000)
    await worker.clearAway().catch((error: unknown) => log.warn({ error: messageOf(error) }, 'not cleared'))
  } else {
    await Promise.all([worker.stop(), advisor.stop(1_000)])
  }
  sdk.stop()
  await worker.stop()
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exit(1)
  },
)
