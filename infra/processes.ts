// Armada's own processes on one machine: how each is started, with its own settings and no others.
import { join } from 'node:path'
import { answerOf, connect } from '../shared/api/client.ts'
import type { Log } from '../shared/log.ts'
import { environmentFor, type Settings } from '../shared/settings.ts'
import { type Revive, startServer } from './stack/process.ts'
import type { Server } from './stack/server.ts'

export interface Launch {
  /** Folder of its mark and log. */
  dir: string
  /** The folder with the built programs. */
  dist: string
  /** Start it again when it ends by itself. */
  revive?: Revive
  /** End it when this process ends, however that happens. */
  endWithParent?: boolean
  log: Log
}

/** Resolves when it answers requests. */
export function startApi(
  settings: Partial<Settings<'api'>> & { listenPort: number },
  launch: Launch,
): Promise<Server> {
  const url = `http://127.0.0.1:${settings.listenPort}`
  const health = connect({ url, limitMs: 500 })
  return startServer({
    ...launched('api', launch),
    address: url,
    args: [join(launch.dist, 'api.js')],
    env: environmentFor('api', settings),
    answers: async () => (await answerOf(health.healthz.$get())).status === 'ok',
    readyLimitMs: 30_000,
    graceMs: 8_000,
  })
}

export type RunnerKind = 'scheduler' | 'controllers'

export function startRunner(
  kind: RunnerKind,
  settings: Partial<Settings<'runner'>>,
  launch: Launch,
): Promise<Server> {
  return startServer({
    ...launched(kind, launch),
    address: '',
    args: [join(launch.dist, 'runner.js'), kind],
    env: environmentFor('runner', settings),
    answers: async () => true, // it listens nowhere; what it does shows in the API
    graceMs: 5_000,
  })
}

/** Resolves when the ApiServer hears from the host. */
export function startAgent(
  settings: Partial<Settings<'agent'>> & { api: string; hostId: string },
  adminToken: string,
  launch: Launch & { graceMs?: number; nodeArgs?: readonly string[] },
): Promise<Server> {
  const api = connect({ url: settings.api, token: adminToken, limitMs: 2_000 })
  // An agent reports every 5 s: one left over from a killed run is known by its last report.
  const sinceMs = Date.now() - 6_000
  return startServer({
    ...launched(`agent-${settings.hostId}`, launch),
    address: '',
    // A young generation of 1 MB, and a heap that grows in small steps: when 100 simulated ships started at once, an
    // agent without took 22 to 103 MiB more after it. What malloc has left at its ends goes back to the system: 13 MB.
    // With several threads that collect garbage an agent of 100 ships took 2.4 % of a core, with one 2.0 %.
    // The systemd unit of install-agent.sh says the same.
    args: [
      '--optimize-for-size',
      '--single-threaded-gc',
      ...(launch.nodeArgs ?? []),
      join(launch.dist, 'agent.js'),
    ],
    env: { ...environmentFor('agent', settings), MALLOC_TRIM_THRESHOLD_: '131072' },
    onlyOnce: ['ARMADA_JOIN_TOKEN'],
    answers: async () => {
      const host = await answerOf(api.v1.hosts[':host'].$get({ param: { host: settings.hostId } }))
      return host.lastReportAt !== null && Date.parse(host.lastReportAt) >= sinceMs
    },
    readyLimitMs: 30_000,
    graceMs: launch.graceMs ?? 5_000,
  })
}

function launched(name: string, { dir, revive = false, endWithParent = false, log }: Launch) {
  return { name, dir: join(dir, name), command: process.execPath, revive, endWithParent, log }
}
