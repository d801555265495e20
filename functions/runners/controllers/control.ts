// The controllers for as long as they lead: one loop for each worry, side by side.
import type { Client } from '../../../shared/api/client.ts'
import type { Log } from '../../../shared/log.ts'
import type { Settings } from '../../../shared/settings.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import type { Leadership } from '../../../shared/zookeeper/election.ts'
import { together } from '../together.ts'
import { keepFleets } from './fleets.ts'
import { HostWatch } from './hosts.ts'
import { attend } from './watchlist.ts'

export interface ControllersOptions {
  zk: ZooKeeper
  client: Client
  settings: Pick<Settings<'runner'>, 'ticketLostMs' | 'unclaimedMs' | 'forgetMs'>
  log: Log
}

/** What every controller is given. */
export interface Office {
  client: Client
  epoch: number
  log: Log
}

/** Controls until the leadership ends. @throws what ended it, when it was not the signal. */
export async function control(
  { zk, client, settings, log }: ControllersOptions,
  { epoch, signal }: Leadership,
): Promise<void> {
  const office: Office = { client, epoch, log }
  const hosts = new HostWatch(office)
  await together(signal, [
    (end) => hosts.follow(zk, end),
    (end) => hosts.run(end),
    (end) => keepFleets(office, end),
    (end) => attend(office, settings, () => hosts.brake, end),
  ])
}
