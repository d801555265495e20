// The cluster at a glance, for the screen.
import type { Cluster } from '../../shared/api/cluster.ts'
import { amountOf, othersIn } from '../../shared/model/resources.ts'

type Shown = Omit<Cluster, 'ships'> & { ships: Readonly<Record<string, number | undefined>> }

export function clusterText(cluster: Shown): string {
  const { hosts, ships, fleets, used, allocatable, queueDepth, stormBrake, leaders, stores, apiServer } =
    cluster
  const states = Object.entries(ships).map(([state, count]) => `${count} ${state}`)
  const rows: [string, string][] = [
    [
      'hosts',
      hosts ? `${hosts.online} online, ${hosts.degraded} degraded, ${hosts.silent} silent` : 'unknown',
    ],
    ['ships', states.join(', ') || 'none'],
    ['fleets', `${fleets.count}, with ${fleets.ready} of ${fleets.replicas} ships ready`],
    ['CPU', `${used.cpuMillis / 1_000} of ${allocatable.cpuMillis / 1_000} cores requested`],
    ['memory', `${used.memoryMiB} of ${allocatable.memoryMiB} MiB requested`],
    ...othersIn(allocatable).map(([name, amount]): [string, string] => [
      name,
      `${amountOf(used, name)} of ${amount}${name === 'disk' ? ' MiB' : ''} requested`,
    ]),
    ['queue', queueDepth === null ? 'ZooKeeper does not answer' : `${queueDepth} entries`],
    ['scheduler', leaderText(leaders.scheduler)],
    ['controllers', leaderText(leaders.controllers)],
    ...Object.entries(stores).map(([name, store]): [string, string] => [name, storeText(store)]),
    ['ApiServer', `${apiServer.version}${staleText(apiServer.staleMs)}`],
  ]
  if (stormBrake) rows.push(['storm brake', stormBrake])
  return rows.map(([name, value]) => `  ${name.padEnd(14)}${value}`).join('\n')
}

function leaderText(leader: Cluster['leaders']['scheduler']): string {
  if (!leader) return 'nobody leads'
  return `${leader.name} leads since ${leader.since}, ${leader.standbys} would follow`
}

function storeText({ ok, detail, latencyMs }: Cluster['stores']['etcd']): string {
  return ok ? `answers in ${latencyMs} ms` : `does not answer: ${detail}`
}

function staleText(staleMs: number | null): string {
  return staleMs === null ? '' : `, has not heard of etcd for ${Math.ceil(staleMs / 1_000)} s`
}
