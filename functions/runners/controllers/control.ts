// The controllers for as long as they lead: one loop for each worry, side by side.
import type { Client } from '../../../shared/api/client.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell } from '../../../shared/loop.ts'
import type { Settings } from '../../../shared/settings.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import type { Leadership } from '../leadership.ts'
import { together } from '../together.ts'
import { type AutoscaleParts, keepAutoscaled } from './autoscale/keepAutoscaled.ts'
import { keepFleets } from './fleets/keepFleets.ts'
import { HostWatch } from './hosts/hostWatch.ts'
import { keepDrains } from './hosts/keepDrains.ts'
import { attend } from './watchlist/attend.ts'
import { keepWebhooks, type WebhookParts } from './webhooks/keepWebhooks.ts'

export interface ControllersOptions {
  zk: ZooKeeper
  client: Client
  settings: Pick<Settings<'runner'>, 'ticketLostMs' | 'unclaimedMs' | 'forgetMs'>
  /** Undefined: no webhooks are delivered. */
  webhooks?: WebhookParts
  /** Undefined: no fleet is scaled. */
  autoscale?: AutoscaleParts
  log: Log
}

/** Controls until the leadership ends. @throws what ended it, when it was not the signal. */
export async function control(
  { zk, client, settings, webhooks, autoscale, log }: ControllersOptions,
  { epoch, signal: leads }: Leadership,
): Promise<void> {
  const office = { client, epoch, log }
  const scaled = new Bell()
  let brake: () => string | null = () => 'the hosts have not been seen yet'
  await together(leads, [
    async (signal) => {
      const hosts = new HostWatch({ ...office, signal })
      brake = () => hosts.brake
      await together(signal, [() => hosts.follow(zk), () => hosts.run()])
    },
    (signal) => keepFleets({ ...office, signal }, scaled),
    (signal) => keepDrains({ ...office, signal }),
    ...(webhooks ? [(signal: AbortSignal) => keepWebhooks({ ...office, ...webhooks, signal })] : []),
    ...(autoscale
      ? [(signal: AbortSignal) => keepAutoscaled({ ...office, ...autoscale, scaled, signal })]
      : []),
    (signal) => attend({ ...office, signal }, settings, () => brake()),
  ])
}
