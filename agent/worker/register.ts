// The host in ZooKeeper: what it is, that it is alive, and the box its jobs come through.
//
// INVARIANTS
// - The host is described before it is present, and present before it takes jobs. Each new session describes
//   it again: ZooKeeper may have lost its data with the old one.
// - While ZooKeeper cannot be reached its ships run on, and all this is tried again.
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import { Bell, loop, pauseAfter } from '../../shared/loop.ts'
import { decodeJobs, jobKey } from '../../shared/model/job.ts'
import type { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { mail } from '../../shared/zookeeper/mailbox.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { keepPresent } from '../../shared/zookeeper/presence.ts'
import type { Crew } from './crew.ts'
import type { Desk } from './desk.ts'

export interface RegisterOptions {
  openZooKeeper: (signal: AbortSignal) => Promise<ZooKeeper>
  /** Identifies the machine and the folder whose lock this process holds. */
  place: string
  sessionMs: number
  /** Another agent, elsewhere, is present under this host's name. */
  onConflict: (error: ArmadaError) => void
}

/** Resolves, with the presence removed, when the signal has fired. */
export async function register(crew: Crew, desk: Desk, options: RegisterOptions): Promise<void> {
  const { signal, log } = crew
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const zk = await options.openZooKeeper(signal)
      try {
        await serve(crew, desk, zk, options)
      } finally {
        crew.contact.presence(false, options.sessionMs)
        await zk.close()
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ArmadaError && error.code === 'conflict') return options.onConflict(error)
      // Without ZooKeeper nobody can tell whether there is another agent of this name; the ships go before that.
      crew.present.open()
      log.warn({ error: messageOf(error) }, 'not registered in ZooKeeper; trying again')
      await pauseAfter(failures, 200, 5_000, signal)
    }
  }
}

async function serve(crew: Crew, desk: Desk, zk: ZooKeeper, options: RegisterOptions): Promise<void> {
  const { host, contact, log, signal } = crew
  const { place, sessionMs } = options
  const session = zk.sessionId
  await describe(crew, zk)
  const over = new AbortController()
  const both = AbortSignal.any([signal, over.signal])
  const presence = await keepPresent(
    zk,
    paths.workerPresence(host.id),
    { place },
    {
      signal: both,
      log,
      // The lock on the state folder proves that the process which left that node is gone.
      takeOver: (existing) => (existing as { place?: unknown } | undefined)?.place === place,
    },
  )
  crew.present.open()
  zk.onState((state) => {
    contact.presence(state === 'connected', sessionMs)
    if (state === 'lost') contact.doubt()
  })
  contact.presence(zk.state === 'connected', sessionMs)
  log.info({ session: zk.sessionId }, 'present in ZooKeeper')
  const ended = presence.ended.finally(() => over.abort())
  await Promise.all([
    ended,
    takeJobs(crew, desk, zk, both).finally(() => over.abort()),
    keepDescribed(crew, zk, session, both),
  ])
}

async function describe({ host }: Crew, zk: ZooKeeper): Promise<void> {
  await zk.ensurePath(paths.workerQueue(host.id))
  await zk.set(paths.worker(host.id), JSON.stringify(host))
}

async function keepDescribed(crew: Crew, zk: ZooKeeper, first: string, signal: AbortSignal): Promise<void> {
  const bell = new Bell()
  const stop = zk.onState(bell.ring)
  let described = first
  await loop({ name: 'description', everyMs: 60_000, signal, log: crew.log, bell }, async () => {
    const session = zk.sessionId
    if (session === described || zk.state !== 'connected') return
    await describe(crew, zk)
    described = session
    crew.log.info({ session }, 'described anew in ZooKeeper')
  }).finally(stop)
}

/** Nothing is removed from the box: whoever writes to it leaves out what is done, and doubles are recognised. */
async function takeJobs(crew: Crew, desk: Desk, zk: ZooKeeper, signal: AbortSignal): Promise<void> {
  const { host, hands, log } = crew
  const format = { decode: decodeJobs, keyOf: jobKey, log }
  for await (const jobs of mail(zk, paths.workerQueue(host.id), signal, format)) {
    hands.run('jobs', () => desk.take(jobs))
  }
}
