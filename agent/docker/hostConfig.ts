// The allow-list of what a ship's container may be given by the host. The last look before Docker is asked.
import type Dockerode from 'dockerode'

type Rule = (value: unknown) => boolean

const is =
  (...allowed: unknown[]): Rule =>
  (value) =>
    allowed.some((one) => JSON.stringify(one) === JSON.stringify(value))
const positive: Rule = (value) => typeof value === 'number' && value > 0

/** Docker has over sixty options; what is not here stays at Docker's own default. */
const allowed: Readonly<Record<string, Rule>> = {
  NetworkMode: is('bridge', 'host'),
  PortBindings: (value) => typeof value === 'object' && value !== null,
  Memory: positive,
  MemorySwap: positive,
  CpuShares: positive,
  CpuPeriod: is(100_000),
  CpuQuota: positive,
  PidsLimit: is(512),
  CapDrop: is(['ALL']),
  SecurityOpt: is(['no-new-privileges']),
  Init: is(true),
  ReadonlyRootfs: is(true, false),
  Tmpfs: is({ '/tmp': 'rw,nosuid,nodev' }),
  LogConfig: is({ Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } }),
  RestartPolicy: is({ Name: 'no' }),
}

const required = ['NetworkMode', 'Memory', 'MemorySwap', 'PidsLimit', 'CapDrop', 'SecurityOpt', 'LogConfig']

/** @throws Error when a ship would get more than a ship may have. */
export function checkHostConfig(config: Dockerode.HostConfig): void {
  for (const [name, value] of Object.entries(config)) {
    if (!allowed[name]?.(value))
      throw new Error(`a ship may not have HostConfig.${name} = ${JSON.stringify(value)}`)
  }
  const missing = required.find((name) => !(name in config))
  if (missing) throw new Error(`a ship may not be without HostConfig.${missing}`)
  if (config.MemorySwap !== config.Memory) throw new Error('a ship may not swap')
}
