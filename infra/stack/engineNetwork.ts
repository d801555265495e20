// The network that one engine of ours uses, decided once and kept until it is cleared away.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../shared/log.ts'
import {
  addOwnRules,
  bridgeName,
  forwardPolicy,
  makeBridge,
  mayManageIptables,
  removeBridge,
  removeDockerChains,
} from './bridge.ts'
import type { EnginePlaces } from './enginePlaces.ts'

export interface EngineNetwork {
  bridge: string
  /** dockerd makes the rules of published ports. */
  iptables: boolean
  /** The machine's policy for forwarded packets before dockerd came. */
  forwardPolicy: string
  /** Bridges and rules do not outlive the machine's uptime. */
  bootId: string
}

/** Decides on the network of an engine; one that still stands from a killed run is kept as it is. */
export async function chooseNetwork(places: EnginePlaces, iptables: boolean): Promise<EngineNetwork> {
  const kept = readNetwork(places)
  if (kept !== undefined) return kept
  return {
    bridge: bridgeName(places.id),
    iptables: iptables && (await mayManageIptables()),
    forwardPolicy: await forwardPolicy(),
    bootId: bootId(),
  }
}

/** Makes what of the network does not stand yet. */
export async function buildNetwork(places: EnginePlaces, network: EngineNetwork, log: Log): Promise<void> {
  const bridge = await makeBridge(places.id)
  writeFileSync(networkFile(places), JSON.stringify(network))
  if (!network.iptables && !(await addOwnRules(places.id, bridge))) {
    log.warn(
      { ...bridge },
      'iptables does not work here: containers on the bridge cannot reach other machines',
    )
  }
}

export async function clearNetwork(places: EnginePlaces): Promise<void> {
  const network = readNetwork(places)
  if (network?.iptables) await removeDockerChains(places.id, network.forwardPolicy)
  await removeBridge(places.id)
  rmSync(networkFile(places), { force: true })
}

function networkFile(places: EnginePlaces): string {
  return join(places.dir, 'network.json')
}

function readNetwork(places: EnginePlaces): EngineNetwork | undefined {
  try {
    const network = JSON.parse(readFileSync(networkFile(places), 'utf8')) as EngineNetwork
    return network.bootId === bootId() ? network : undefined
  } catch {
    return undefined
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
