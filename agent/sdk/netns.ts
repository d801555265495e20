// Sockets that listen inside a container's network namespace and are served from here: no process stays there.
//
// A helper enters the namespace, listens on the container's own loopback, hands the sockets over and ends (50 to
// 150 ms, most of it Node's start). A socket stays in the namespace where it was made, whoever holds it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Server } from 'node:net'
import { within } from '../../shared/loop.ts'
import { runsIn } from '../cgroup.ts'

const limitMs = 20_000

/**
 * Runs in a bare Node, without this program's modules, settings and secrets. It lets go of a socket in the turn in
 * which it was made, so that it never accepts a connection itself, and makes the next one when it is told to.
 */
const helper = `
const { createServer } = require('node:net')
const ports = JSON.parse(process.argv[1])
const fail = (error) => process.send({ error: error.message }, () => process.exit(1))
const next = () => {
  const port = ports.shift()
  if (port === undefined) return process.exit()
  const server = createServer().on('error', fail)
  server.listen({ host: '127.0.0.1', port, backlog: 64 }, () => {
    process.send({ port }, server)
    server.close()
  })
}
process.on('message', next)
next()`

interface Told {
  port?: number
  error?: string
}

/**
 * Listens on these ports of the container's loopback. Connections are heard of from the first moment on.
 * @throws Error that says why not; nothing listens then.
 */
export async function listenInside(
  container: { pid: number; containerId: string },
  ports: readonly number[],
  prepare: (server: Server, port: number) => void,
): Promise<Server[]> {
  const { pid } = container
  const command = [`--net=/proc/${pid}/ns/net`, '--', process.execPath, '-e', helper, JSON.stringify(ports)]
  const child = spawn('nsenter', command, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: {} })
  const servers: Server[] = []
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (part) => {
    said = (said + part).slice(-500)
  })
  const done = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error(said.trim() || 'its helper ended too early')))
    child.on('message', ({ port, error }: Told, server) => {
      if (error !== undefined || port === undefined) return reject(new Error(error))
      if (!(server instanceof Server)) return reject(new Error('its helper handed nothing over'))
      servers.push(server)
      prepare(server, port)
      child.send('next', () => undefined)
      if (servers.length === ports.length) resolve()
    })
  })
  try {
    await within(done, limitMs, () => new Error(`its helper did not answer within ${limitMs} ms`))
    // The container may have ended meanwhile, and its number belong to another process and namespace.
    if (!runsIn(container)) throw new Error('the container has ended')
    return servers
  } catch (error) {
    for (const server of servers) server.close()
    child.kill('SIGKILL')
    throw error
  }
}

/** The same on the loopback of this host, for a container that has no network of its own. */
export async function listenHere(
  ports: readonly number[],
  prepare: (server: Server, port: number) => void,
): Promise<Server[]> {
  const servers = ports.map((port) => [new Server(), port] as const)
  try {
    for (const [server, port] of servers) {
      prepare(server, port)
      server.listen({ host: '127.0.0.1', port, exclusive: true })
      await once(server, 'listening')
    }
    return servers.map(([server]) => server)
  } catch (error) {
    for (const [server] of servers) server.close()
    throw error
  }
}
