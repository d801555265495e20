// The controllers for as long as they lead: one loop for each worry, side by side.
import type { Client } from '../../../shared/api/client.ts'
import type { Log } from '../../../shared/log.ts'
import type { Settings } from '../../../shared/settings.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import type { Leadership } from '../leadership.ts'
import { together } from '../together.ts'
import { keepDrains } from './drains.ts'
import { keepFleets } from './fleets.ts'
import { HostWatch } from './hosts.ts'
import { attend } from './watchlist.ts'
import { keepWebhooks, type WebhookParts } from './webhooks/keepWebhooks.ts'

export interface ControllersOptions {
  zk: ZooKeeper
  client: Client
  settings: Pick<Settings<'runner'>, 'ticketLostMs' | 'unclaimedMs' | 'forgetMs'>
  /** Undefined: no webhooks are delivered. */
  webhooks?: WebhookParts
  log: Log
}

/** Controls until the leadership ends. @throws what ended it, when it was not the signal. */
export async function control(
  { zk, client, settings, webhooks, log }: ControllersOptions,
  { epoch, signal: leads }: Leadership,
): Promise<void> {
  const office = { client, epoch, log }
  let brake: () => string | null = () => 'the hosts have not been seen yet'
  await together(leads, [
    async (signal) => {
      const hosts = new HostWatch({ ...office, signal })
      brake = () => hosts.brake
      await together(signal, [() => hosts.follow(zk), () => hosts.run()])
    },
    (signal) => keepFleets({ ...office, signal }),
    (signal) => keepDrains({ ...office, signal }),
    ...(webhooks ? [(signal: AbortSignal) => keepWebhooks({ ...office, ...webhooks, signal })] : []),
    (signal) => attend({ ...office, signal }, settings, () => brake()),
  ])
}
