// Free ports for servers, and the memory of those that a state folder used last time.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'

/** Below the range from which the kernel takes ports for outgoing connections, above the ships' range. */
const firstPort = 20_000
const lastPort = 31_999

const given = new Set<number>()

export async function isPortFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A free loopback port, never the same twice in one process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1))
    if (given.has(port) || !(await isPortFree(port))) continue
    given.add(port)
    return port
  }
  throw new ArmadaError('unavailable', `no free port between ${firstPort} and ${lastPort} on this machine`)
}

function readPorts(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>
  } catch {
    return {}
  }
}

/**
 * The ports of the server in `dir`, one a name: those of its last run when they are free, else new ones.
 * With `ours` the server of the last run still holds them, and they are taken as they are.
 */
export async function keptPorts<Name extends string>(
  dir: string,
  names: readonly Name[],
  ours: boolean,
): Promise<Record<Name, number>> {
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'ports.json')
  const kept = readPorts(file)
  const ports: Record<string, number> = {}
  for (const name of names) {
    const last = kept[name]
    const usable = last !== undefined && (ours || (await isPortFree(last)))
    ports[name] = usable ? last : await freePort()
  }
  writeFileSync(file, JSON.stringify(ports))
  return ports as Record<Name, number>
}
