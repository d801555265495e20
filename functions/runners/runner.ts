// Runner: a process that turns the clock. It stands for election and does its work while it leads.
//
// INVARIANTS
// - Work begins with nothing: whatever a leader needs to know it reads anew, so that it may lose its office at
//   any moment and take it again.
// - When the signal fires, leadership is given away before anything else is waited for.
import { hostname } from 'node:os'
import { type Client, connect } from '../../shared/api/client.ts'
import type { Log } from '../../shared/log.ts'
import type { Settings } from '../../shared/settings.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { type Leadership, stand } from '../../shared/zookeeper/election.ts'
import { paths, roots } from '../../shared/zookeeper/paths.ts'
import { control } from './controllers/control.ts'
import { schedule } from './scheduler/schedule.ts'

export interface RunnerParts {
  zk: ZooKeeper
  client: Client
  settings: Settings<'runner'>
  log: Log
}

interface Office {
  election: string
  lead: (parts: RunnerParts, leadership: Leadership) => Promise<void>
}

export const offices = {
  scheduler: { election: paths.schedulerElection, lead: schedule },
  controllers: { election: paths.controllersElection, lead: control },
} as const satisfies Record<string, Office>

export type OfficeName = keyof typeof offices

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
        const { election, lead }: Office = offices[name]
        const parts = { zk, client, settings, log: log.child({ runner: name }) }
        return stand(zk, election, { id, signal, log: parts.log }, (leadership) => lead(parts, leadership))
      }),
    )
  } finally {
    await zk.close()
  }
}
