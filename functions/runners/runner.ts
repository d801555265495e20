// Runner: a process that turns the clock. It stands for election and does its work while it leads.
//
// INVARIANTS
// - Work begins with what ZooKeeper says now: what a leader needs to know it reads anew, or has followed by watches
//   on the connection that it leads with. So it may lose its office at any moment and take it again.
// - When the signal fires, leadership is given away before anything else is waited for.
import { hostname } from 'node:os'
import { AddressGuard } from '../../shared/addressGuard.ts'
import { type Client, connect } from '../../shared/api/client.ts'
import type { OfficeName } from '../../shared/api/offices.ts'
import type { Log } from '../../shared/log.ts'
import type { Settings } from '../../shared/settings.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { stand } from '../../shared/zookeeper/election.ts'
import { elections, roots } from '../../shared/zookeeper/paths.ts'
import type { AutoscaleParts } from './controllers/autoscale/keepAutoscaled.ts'
import { fleetsOf } from './controllers/autoscale/stream.ts'
import { control } from './controllers/control.ts'
import { eventsOf } from './controllers/webhooks/events.ts'
import type { WebhookParts } from './controllers/webhooks/keepWebhooks.ts'
import { type Leadership, takeOffice } from './leadership.ts'
import { Attendance } from './scheduler/attendance.ts'
import { schedule } from './scheduler/schedule.ts'
import { together } from './together.ts'

export interface RunnerParts {
  zk: ZooKeeper
  client: Client
  settings: Settings<'runner'>
  webhooks: WebhookParts
  autoscale: AutoscaleParts
  log: Log
}

interface Candidate {
  /** What it follows from when it stands until the signal fires, whoever leads. */
  follow?: (signal: AbortSignal) => Promise<void>
  lead: (leadership: Leadership) => Promise<void>
}

export const offices: Readonly<Record<OfficeName, (parts: RunnerParts) => Candidate>> = {
  scheduler: (parts) => {
    const attendance = new Attendance(parts.zk, parts.log)
    return {
      follow: (signal) => attendance.follow(signal),
      lead: (leadership) => schedule({ ...parts, attendance }, leadership),
    }
  },
  controllers: (parts) => ({ lead: (leadership) => control(parts, leadership) }),
}

/** Stands for the offices until the signal fires; resolves when all are given away. */
export async function run(
  names: readonly OfficeName[],
  settings: Settings<'runner'>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const client = connect({ url: settings.api, token: settings.runnerToken })
  const zk = await ZooKeeper.connect(
    {
      servers: settings.zookeeper,
      sessionTimeoutMs: settings.sessionMs,
      ...(settings.zookeeperSecret && { secret: settings.zookeeperSecret }),
      log,
    },
    signal,
  )
  try {
    for (const root of roots) await zk.ensurePath(root)
    const id = `${hostname()}-${process.pid}`
    await Promise.all(
      names.map((name) => {
        const guard = new AddressGuard(settings.webhookAllow)
        const webhooks = { events: eventsOf(settings, log), guard }
        const autoscale = { fleets: fleetsOf(settings, log), guard }
        const parts = { zk, client, settings, webhooks, autoscale, log: log.child({ runner: name }) }
        const candidate = offices[name](parts)
        return together(signal, [
          ...(candidate.follow ? [candidate.follow] : []),
          (signal) =>
            stand(zk, elections[name], { id, signal, log: parts.log }, async (won) =>
              candidate.lead(await takeOffice(name, won, parts)),
            ),
        ])
      }),
    )
  } finally {
    await zk.close()
  }
}
