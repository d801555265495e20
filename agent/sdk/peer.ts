// Whose connection it is, on the host's network: all ships there share one loopback, and a ship reaches only itself.
import { readdir, readFile, readlink } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { sleep } from '../../shared/loop.ts'
import { groupsIn } from '../cgroup.ts'
import { Slots } from '../slots.ts'

/** A look reads the sockets of the whole host: some milliseconds, and strangers may connect as often as they like. */
const pauseMs = 20

/** One look at a time for all ships, and after one that found a stranger a pause: 50 a second. */
export class Peers {
  readonly #looks = new Slots(1)

  /** Whether the other end of a connection on loopback belongs to the container of this process. */
  isFromContainer(pid: number, socket: Socket): Promise<boolean> {
    return this.#looks.run(async () => {
      if (socket.destroyed) return false
      const isOwn = await belongs(pid, socket)
      if (!isOwn) await sleep(pauseMs)
      return isOwn
    })
  }
}

async function belongs(pid: number, { localPort, remotePort }: Socket): Promise<boolean> {
  if (localPort === undefined || remotePort === undefined) return false
  const inode = await socketOf(remotePort, localPort)
  if (inode === undefined) return false
  for (const one of await processesBeside(pid)) if (await holds(one, inode)) return true
  return false
}

/** The kernel's number of the socket that has these ports, seen from its own side. */
async function socketOf(port: number, otherPort: number): Promise<string | undefined> {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, '0')
  // 127.0.0.1, alone or at the end of an IPv6 address that stands for it.
  const ends = new RegExp(`0100007F:${hex(port)} [0-9A-F]*0100007F:${hex(otherPort)} `)
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const line = text.split('\n').find((one) => ends.test(one))
    if (line !== undefined) return line.trim().split(/\s+/)[9]
  }
  return undefined
}

/** All processes of the cgroup that this one is in: its container's. */
async function processesBeside(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')
  for (const { controllers, path } of groupsIn(text)) {
    if (path === '' || path === '/') continue
    const folder = `/sys/fs/cgroup${controllers === '' ? '' : `/${controllers}`}${path}`
    const found = await readFile(`${folder}/cgroup.procs`, 'utf8').catch(() => '')
    if (found !== '') return found.trim().split('\n')
  }
  return []
}

async function holds(pid: string, inode: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  for (const name of await readdir(folder).catch(() => [])) {
    const target = await readlink(`${folder}/${name}`).catch(() => '')
    if (target === `socket:[${inode}]`) return true
  }
  return false
}
