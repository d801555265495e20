// The sockets of one ship: they listen in its network until it leaves.
//
// INVARIANT: however often a ship connects and however much it sends, it costs little. Beyond so many connections at once
// further ones are turned away; and where it goes on and on, nothing listens for a while, so that the kernel does the
// refusing. On the host's network strangers can do no more than be turned away.
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { pauseAfter, sleep } from '../../shared/loop.ts'
import type { Aboard } from '../roster.ts'
import { usualPorts } from '../sdkPorts.ts'
import type { Slots } from '../slots.ts'
import { Allowance } from './allowance.ts'
import { Bounds, type Looks } from './bounds.ts'
import { speakGrpc } from './grpc.ts'
import type { Speaker } from './method.ts'
import { listenHere, listenInside } from './netns.ts'
import type { Peers } from './peer.ts'
import type { RestSide } from './rest.ts'

const mostConnections = 32
/** Clients have one or two connections, and make new ones when the agent was away. */
const connectionPace = { perSecond: 20, burst: 200 }
const closedMs = 10_000

export interface Serving {
  rest: RestSide
  /** For the helpers that open sockets in networks of ships. */
  openings: Slots
  looks: Looks
  peers: Peers
  log: Log
}

type Unbounded = Omit<Speaker, 'bounds'>

/** Listens until the signal fires. What fails is tried again. */
export async function serveShip(
  entry: Aboard,
  unbounded: Unbounded,
  serving: Serving,
  signal: AbortSignal,
): Promise<void> {
  const { ship } = entry.grant
  const { log } = serving
  for (let failures = 0; !signal.aborted; ) {
    try {
      await listen(entry, unbounded, serving, signal)
      failures = 0
      if (signal.aborted) return
      log.warn(
        { ship, closedMs },
        'it connects or sends to its SDK without end, and is not listened to for a while',
      )
      await sleep(closedMs, signal)
    } catch (error) {
      if (signal.aborted) return
      log.warn({ ship, error: messageOf(error) }, 'its SDK cannot be served yet; trying again')
      await pauseAfter(failures++, 200, 10_000, signal)
    }
  }
}

/** Resolves when nothing listens any more: with the signal, or because the ship connects or sends too much. */
async function listen(
  entry: Aboard,
  unbounded: Unbounded,
  { rest, openings, looks, peers, log }: Serving,
  signal: AbortSignal,
): Promise<void> {
  const { ship, spec } = entry.grant
  const isOnHost = spec.network === 'host'
  const ports = entry.sdkPorts ?? usualPorts
  const wanted = [ports.grpc, ports.rest]
  const pace = new Allowance(connectionPace)
  const sockets = new Set<Socket>()
  const over = new AbortController()
  const end = () => over.abort()
  signal.addEventListener('abort', end)
  const bounds = new Bounds(looks, end)
  const speaker = { ...unbounded, bounds }

  function isInPace(): boolean {
    const isOne = pace.take()
    if (!isOne) end()
    return isOne
  }

  function begin(socket: Socket, port: number): void {
    if (socket.destroyed || !isInPace()) return
    bounds.watch(socket)
    if (port === ports.rest) rest.connected(socket, speaker)
    else speakGrpc(socket, speaker)
  }

  function accept(server: Server, port: number): void {
    server.maxConnections = mostConnections
    // Too few file descriptors for a connection, for instance.
    server.on('error', (error) => log.warn({ ship, error: messageOf(error) }, 'SDK: no connection'))
    if (!isOnHost) server.on('drop', isInPace)
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket))
      if (!isOnHost) return begin(socket, port)
      peers.isFromContainer(entry.pid, socket).then(
        (isOwn) => (isOwn ? begin(socket, port) : socket.destroy()),
        () => socket.destroy(),
      )
    })
  }

  try {
    const container = { pid: entry.pid, containerId: entry.containerId ?? '' }
    const servers = isOnHost
      ? await listenHere(wanted, accept)
      : await openings.run(() => listenInside(container, wanted, accept))
    log.debug({ ship }, 'its SDK is served')
    if (!over.signal.aborted) await once(over.signal, 'abort')
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
  } finally {
    signal.removeEventListener('abort', end)
  }
}
