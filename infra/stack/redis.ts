// Redis for one machine: appends every write to a file when durable, keeps everything in memory when fast.
import { connect } from 'node:net'
import type { Log } from '../../shared/log.ts'
import { livingMark } from './leftover.ts'
import { keptPorts } from './port.ts'
import { type Revive, startServer } from './process.ts'
import type { Server } from './server.ts'

export interface RedisOptions {
  /** Folder of its data; the same folder brings the data back. */
  dir: string
  port?: number
  /** Append-only file, on disk once a second. Default true. */
  fsync?: boolean
  endWithParent?: boolean
  revive?: Revive
  log: Log
}

/** Starts Redis on loopback; `address` is a `redis://` URL. */
export async function startRedis(options: RedisOptions): Promise<Server> {
  const { dir, fsync = true, endWithParent = false, revive = false, log } = options
  const port = options.port ?? (await keptPorts(dir, ['client'], livingMark(dir) !== undefined)).client
  return await startServer({
    name: 'redis',
    dir,
    command: 'redis-server',
    args: [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--daemonize', 'no'],
      ...['--save', '', '--appendonly', fsync ? 'yes' : 'no', '--appendfsync', 'everysec'],
    ],
    address: `redis://127.0.0.1:${port}`,
    answers: () => saysPong(port),
    endWithParent,
    revive,
    log,
  })
}

/** True when Redis answers a PING; a server that still loads its file says LOADING. */
async function saysPong(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 300 }, () => socket.write('PING\r\n'))
    const finish = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', (data) => finish(data.toString('latin1').startsWith('+PONG')))
    socket.once('timeout', () => finish(false))
    socket.once('error', () => finish(false))
  })
}
