// Ports: what a blueprint asks for, what a host offers, what a ship was given.
import { z } from 'zod'
import { Name } from './name.ts'

export const PortNumber = z.int().min(1).max(65_535)
export const Protocol = z.enum(['udp', 'tcp', 'tcp+udp'])
export type Protocol = z.infer<typeof Protocol>

export const PortRequest = z
  .strictObject({
    name: Name.describe('Becomes ARMADA_PORT_<NAME> inside the ship'),
    protocol: Protocol.default('udp').describe('"tcp+udp" asks for one number on both'),
    policy: z
      .enum(['dynamic', 'static', 'passthrough', 'none'])
      .default('dynamic')
      .describe(
        'dynamic: any port of a range of the host; static: exactly hostPort; passthrough: any port of the range, the same number inside; none: reachable on the container network only',
      ),
    containerPort: PortNumber.optional().describe('Port the game listens on; not with passthrough'),
    hostPort: PortNumber.optional().describe('Only with policy static'),
    range: Name.optional().describe(
      'Range of the host that dynamic and passthrough ports are of. Default: `default`, which every host has',
    ),
  })
  .refine(({ range, policy }) => range === undefined || policy === 'dynamic' || policy === 'passthrough', {
    path: ['range'],
    message: 'only ports with policy "dynamic" or "passthrough" are of a range',
  })
  .refine((port) => (port.policy === 'static') === (port.hostPort !== undefined), {
    path: ['hostPort'],
    message: 'policy "static" needs a hostPort, and no other policy takes one',
  })
  .refine((port) => port.policy === 'passthrough' || port.containerPort !== undefined, {
    path: ['containerPort'],
    message: 'is needed: the port that the game listens on',
  })
  .refine((port) => port.policy !== 'passthrough' || port.containerPort === undefined, {
    path: ['containerPort'],
    message:
      'must be left out with policy "passthrough": the game listens on the port that ARMADA_PORT_<NAME> names',
  })
export type PortRequest = z.infer<typeof PortRequest>

/** The ports of a host that ships may get, both ends included. */
export const PortRange = z
  .strictObject({ from: PortNumber, to: PortNumber })
  .refine((range) => range.from <= range.to, 'from must not be above to')
export type PortRange = z.infer<typeof PortRange>

/** What the range of `ARMADA_PORTS` is called. */
export const defaultRange = 'default'

export const PortRanges = z
  .record(Name, PortRange)
  .refine((ranges) => Object.keys(ranges).length <= 16, 'at most 16 ranges')
  .refine((ranges) => !Object.hasOwn(ranges, defaultRange), 'the range "default" is that of `ports`')
export type PortRanges = z.infer<typeof PortRanges>

export function overlap(a: PortRange, b: PortRange): boolean {
  return a.from <= b.to && b.from <= a.to
}

export const Port = z.strictObject({
  name: Name,
  protocol: Protocol,
  containerPort: PortNumber,
  hostPort: PortNumber.nullable().describe('null with policy none'),
})
export type Port = z.infer<typeof Port>

/** The numbers that a ship takes on its host. */
export function hostPortsOf({ ports }: { readonly ports: readonly Port[] }): number[] {
  return ports.flatMap(({ hostPort }) => hostPort ?? [])
}

/** Host port by port name: what the scheduler chose for one ship. */
export const PortChoice = z.record(Name, PortNumber)
export type PortChoice = z.infer<typeof PortChoice>

/** Joins what was asked with what was chosen. A port without a choice stays inside the container. */
export function assignPorts(requests: readonly PortRequest[], choice: PortChoice): Port[] {
  return requests.map((request) => {
    const hostPort = (Object.hasOwn(choice, request.name) ? choice[request.name] : undefined) ?? null
    return {
      name: request.name,
      protocol: request.protocol,
      containerPort: request.containerPort ?? hostPort ?? 0,
      hostPort,
    }
  })
}
