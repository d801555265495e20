// From a grant to the container that Docker is asked for. Pure.
import { isIPv4 } from 'node:net'
import type Dockerode from 'dockerode'
import { type BlueprintSpec, speaksSdk } from '../../shared/model/blueprint.ts'
import type { Ulimits } from '../../shared/model/container.ts'
import type { Grant } from '../../shared/model/grant.ts'
import type { Port, Protocol } from '../../shared/model/port.ts'
import { type SdkPorts, usualPorts } from '../sdkPorts.ts'
import { checkHostConfig } from './hostConfig.ts'
import { labelsOf } from './label.ts'
import { limitsOf } from './limits.ts'
import { secretMounts } from './secretFiles.ts'
import { keeperOf, mountOf } from './volumes.ts'

export interface Berth {
  /** Id of the host. */
  host: string
  /** Where players reach it. */
  address: string
  boot: string
  sdkPorts?: SdkPorts
  /** Where the files of SecretFiles are. */
  secretsDir: string
}

export function containerName(grant: Pick<Grant, 'ship' | 'attempt'>): string {
  return `armada-${grant.ship}-${grant.attempt}`
}

export function containerOptions(grant: Grant, berth: Berth): Dockerode.ContainerCreateOptions {
  const { spec } = grant
  const env = environment(grant, berth)
  const published = spec.network === 'bridge' ? grant.ports.filter((port) => port.hostPort !== null) : []
  const bindings = Object.fromEntries(
    published.flatMap((port) =>
      transports[port.protocol].map((transport) => [
        `${port.containerPort}/${transport}`,
        // On all addresses Docker runs a second proxy a port, for IPv6: 20 ms and 3 MB each.
        [{ HostIp: isIPv4(berth.address) ? '0.0.0.0' : '', HostPort: String(port.hostPort) }],
      ]),
    ),
  )
  const HostConfig = hostConfig(grant, berth, bindings)
  checkHostConfig(HostConfig, berth.secretsDir)
  return {
    name: containerName(grant),
    Image: spec.image,
    ...(spec.command && { Cmd: spec.command.map((word) => substitute(word, env)) }),
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...(spec.user && { User: spec.user }),
    ...(spec.lifecycle.stopSignal && { StopSignal: spec.lifecycle.stopSignal }),
    // It stays open when a writer goes: each line comes through a connection of its own.
    ...(spec.console === 'stdin' && { OpenStdin: true, StdinOnce: false }),
    Labels: labelsOf(grant, berth.host, berth.boot),
    // Without these, bindings publish nothing, and Docker does not say so.
    ExposedPorts: Object.fromEntries(Object.keys(bindings).map((key) => [key, {}])),
    HostConfig,
  }
}

function hostConfig(grant: Grant, berth: Berth, bindings: Dockerode.PortMap): Dockerode.HostConfig {
  const { spec } = grant
  const { limits } = spec
  const tmpfs = tmpfsOf(spec)
  const mounts = [
    ...spec.volumes.map((volume) => mountOf(volume, keeperOf(grant), berth.host)),
    ...secretMounts(grant, berth.secretsDir),
  ]
  return {
    NetworkMode: spec.network,
    PortBindings: bindings,
    ...limitsOf(spec),
    ...(limits.cpuSet !== undefined && { CpusetCpus: limits.cpuSet }),
    Ulimits: ulimitsOf(limits.ulimits),
    CapDrop: ['ALL'],
    CapAdd: spec.capabilities,
    SecurityOpt: ['no-new-privileges'],
    // Many games, as process 1, ignore SIGTERM and never reap their children.
    Init: true,
    ReadonlyRootfs: spec.readOnlyRoot,
    ...(Object.keys(tmpfs).length > 0 && { Tmpfs: tmpfs }),
    ...(mounts.length > 0 && { Mounts: mounts }),
    LogConfig: logConfig(limits.logMiB),
    RestartPolicy: { Name: 'no' },
  }
}

function tmpfsOf({ readOnlyRoot, tmpfs }: BlueprintSpec): Record<string, string> {
  const asked = tmpfs.map(({ path, sizeMiB }) => [path, `rw,nosuid,nodev,mode=1777,size=${sizeMiB}m`])
  return { ...(readOnlyRoot && { '/tmp': 'rw,nosuid,nodev' }), ...Object.fromEntries(asked) }
}

/** The kernel counts those of memory in bytes. */
const inKiB: ReadonlySet<string> = new Set(['core', 'stack', 'memlock'])

function ulimitsOf(ulimits: Ulimits): { Name: string; Soft: number; Hard: number }[] {
  return Object.entries(ulimits).map(([Name, limit = 0]) => {
    const value = inKiB.has(Name) ? limit * 1_024 : limit
    return { Name, Soft: value, Hard: value }
  })
}

/** In three files, so that the oldest third goes at a time. */
function logConfig(logMiB: number): Dockerode.HostConfig['LogConfig'] {
  const kib = Math.floor((logMiB * 1_024) / 3)
  return { Type: 'json-file', Config: { 'max-size': `${kib}k`, 'max-file': '3' } }
}

export const transports: Readonly<Record<Protocol, readonly ('tcp' | 'udp')[]>> = {
  tcp: ['tcp'],
  udp: ['udp'],
  'tcp+udp': ['tcp', 'udp'],
}

/** The port a game listens on where it runs: on the host's network that is the host's port. */
export function listenPort(port: Port, network: 'bridge' | 'host'): number {
  return network === 'host' ? (port.hostPort ?? port.containerPort) : port.containerPort
}

function environment(grant: Grant, { host, sdkPorts = usualPorts }: Berth): Record<string, string> {
  const ports = grant.ports.map((port) => [
    `ARMADA_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`,
    String(listenPort(port, grant.spec.network)),
  ])
  return {
    ...grant.spec.env,
    ...(speaksSdk(grant.spec) && {
      AGONES_SDK_GRPC_PORT: String(sdkPorts.grpc),
      AGONES_SDK_HTTP_PORT: String(sdkPorts.rest),
    }),
    ARMADA_SHIP_ID: grant.ship,
    ...(grant.name && { ARMADA_SHIP_NAME: grant.name }),
    ...(grant.fleet && { ARMADA_FLEET: grant.fleet }),
    ARMADA_HOST: host,
    ...Object.fromEntries(ports),
  }
}

/** `$(NAME)` becomes the variable's value, `$$(NAME)` stays as `$(NAME)`, unknown names stay as they are. */
function substitute(word: string, env: Record<string, string>): string {
  return word.replace(
    /\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)/g,
    (all, escaped: string | undefined, name: string) => (escaped ? `$(${name})` : (env[name] ?? all)),
  )
}
