// The allow-list of what a ship's container may be given by the host. The last look before Docker is asked.
import type Dockerode from 'dockerode'
import { z } from 'zod'
import { Capability, Limits, MountPath, Ulimits } from '../../shared/model/container.ts'
import { Name } from '../../shared/model/name.ts'
import { volumeName } from './volumes.ts'

type Rule = (value: unknown, secretsDir: string) => boolean

const is =
  (...allowed: unknown[]): Rule =>
  (value) =>
    allowed.some((one) => JSON.stringify(one) === JSON.stringify(value))
const whole =
  (least: number, most: number): Rule =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
const each =
  (rule: Rule): Rule =>
  (value, secretsDir) =>
    Array.isArray(value) && value.every((one) => rule(one, secretsDir))
const positive: Rule = (value) => typeof value === 'number' && value > 0

/** A volume of its own: kept under a name that Armada gives, or without a name and gone with the container. */
const VolumeMount = z.strictObject({
  Type: z.literal('volume'),
  Target: MountPath,
  Source: z.string().regex(volumeName).optional(),
  VolumeOptions: z.strictObject({ Labels: z.record(z.string().startsWith('armada.'), Name) }).optional(),
})

/** A secret of its own. */
const SecretMount = z.strictObject({
  Type: z.literal('bind'),
  Target: MountPath,
  Source: z.string(),
  ReadOnly: z.literal(true),
})

function mayMount(value: unknown, secretsDir: string): boolean {
  if (VolumeMount.safeParse(value).success) return true
  const { data } = SecretMount.safeParse(value)
  if (!data?.Source.startsWith(`${secretsDir}/`)) return false
  return /^[a-z0-9-]{1,63}\.\d{1,10}\/\d{1,2}$/.test(data.Source.slice(secretsDir.length + 1))
}

/** Docker has over sixty options; what is not here stays at Docker's own default. */
const allowed: Readonly<Record<string, Rule>> = {
  NetworkMode: is('bridge', 'host'),
  PortBindings: (value) => typeof value === 'object' && value !== null,
  Memory: positive,
  MemorySwap: positive,
  CpuShares: positive,
  CpuPeriod: is(100_000),
  CpuQuota: positive,
  CpusetCpus: (value) => Limits.shape.cpuSet.safeParse(value).success,
  PidsLimit: whole(16, 32_768),
  Ulimits: each((value) => {
    const { Name, Soft, Hard, ...more } = value as Record<string, unknown>
    const isKnown = Object.keys(Ulimits.shape).includes(String(Name))
    return isKnown && whole(0, 2 ** 31)(Soft, '') && Soft === Hard && Object.keys(more).length === 0
  }),
  CapDrop: is(['ALL']),
  CapAdd: each((value) => Capability.safeParse(value).success),
  SecurityOpt: is(['no-new-privileges']),
  Init: is(true),
  ReadonlyRootfs: is(true, false),
  Tmpfs: (value) =>
    Object.entries(value as object).every(
      ([path, options]) =>
        MountPath.safeParse(path).success && /^rw,nosuid,nodev(,mode=1777,size=\d{1,5}m)?$/.test(options),
    ),
  Mounts: each(mayMount),
  LogConfig: (value) =>
    /^{"Type":"json-file","Config":{"max-size":"\d{3,6}k","max-file":"3"}}$/.test(JSON.stringify(value)),
  RestartPolicy: is({ Name: 'no' }),
}

const required = ['NetworkMode', 'Memory', 'MemorySwap', 'PidsLimit', 'CapDrop', 'SecurityOpt', 'LogConfig']

/** @throws Error when a ship would get more than a ship may have. */
export function checkHostConfig(config: Dockerode.HostConfig, secretsDir: string): void {
  for (const [name, value] of Object.entries(config)) {
    if (!allowed[name]?.(value, secretsDir))
      throw new Error(`a ship may not have HostConfig.${name} = ${JSON.stringify(value)}`)
  }
  const missing = required.find((name) => !(name in config))
  if (missing) throw new Error(`a ship may not be without HostConfig.${missing}`)
  if (config.MemorySwap !== config.Memory) throw new Error('a ship may not swap')
}
