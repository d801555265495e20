// A Docker engine without containers: as much of its API as an agent asks for, on a socket of its own. What its
// containers are said to run is this process.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

interface Container {
  Id: string
  Name: string
  Config: { Labels: Record<string, string>; Env: string[] }
  HostConfig: object
  NetworkSettings: { Networks: Record<string, never> }
  State: {
    Status: 'created' | 'running' | 'exited'
    Pid: number
    StartedAt: string
    FinishedAt: string
    ExitCode: number
    OOMKilled: boolean
    Error: string
  }
}

export interface SimulatedEngine {
  /** Containers that were started so far. */
  readonly started: number
  /** Containers that there are. */
  readonly size: number
  close(): Promise<void>
}

const never = '0001-01-01T00:00:00Z'

export async function startSimulatedEngine(socketPath: string): Promise<SimulatedEngine> {
  const containers = new Map<string, Container>()
  const listeners = new Set<ServerResponse>()
  let started = 0

  function create(body: Partial<Container['Config'] & Container>, Name: string): Container {
    const { Labels = {}, Env = [], HostConfig = {} } = body
    const State = { Status: 'created', Pid: 0, StartedAt: never, FinishedAt: never } as const
    const container: Container = {
      ...{ Id: randomBytes(32).toString('hex'), Name, Config: { Labels, Env }, HostConfig },
      NetworkSettings: { Networks: {} },
      State: { ...State, ExitCode: 0, OOMKilled: false, Error: '' },
    }
    containers.set(container.Id, container)
    return container
  }

  function start({ State }: Container): void {
    started++
    Object.assign(State, { Status: 'running', Pid: process.pid, StartedAt: new Date().toISOString() })
  }

  function end({ Id, State }: Container): void {
    Object.assign(State, { Status: 'exited', Pid: 0, ExitCode: 143, FinishedAt: new Date().toISOString() })
    for (const listener of listeners) listener.write(`${JSON.stringify({ status: 'die', id: Id })}\n`)
  }

  function listed({ Id, State, Config }: Container) {
    return { Id, State: State.Status, Labels: Config.Labels }
  }

  /** An answer's status and body; undefined for the stream of events. */
  async function answer(request: IncomingMessage): Promise<[status: number, body?: unknown] | undefined> {
    const url = new URL(request.url ?? '', 'http://engine')
    let text = ''
    for await (const part of request) text += part
    if (url.pathname === '/events') return undefined
    if (url.pathname === '/_ping') return [200, 'OK']
    if (url.pathname === '/info') return [200, { DockerRootDir: '/' }]
    if (url.pathname === '/volumes') return [200, { Volumes: [] }]
    if (url.pathname.startsWith('/images/')) return [200, { Id: 'sha256:simulated' }]
    if (url.pathname === '/containers/json') {
      const { status } = JSON.parse(url.searchParams.get('filters') ?? '{}') as { status?: string[] }
      const wanted = [...containers.values()].filter(({ State }) => status?.includes(State.Status) ?? true)
      return [200, wanted.map(listed)]
    }
    if (url.pathname === '/containers/create') {
      const { Id } = create(JSON.parse(text), url.searchParams.get('name') ?? '')
      return [201, { Id, Warnings: [] }]
    }
    const [, , id = '', what = request.method] = url.pathname.split('/')
    const container = containers.get(id) ?? [...containers.values()].find(({ Name }) => Name === id)
    if (!container) return [404, { message: `No such container: ${id}` }]
    if (what === 'json') return [200, container]
    if (what === 'logs') return [200, '']
    if (what === 'start') start(container)
    else if (what === 'kill') end(container)
    else if (what === 'DELETE') containers.delete(container.Id)
    else return [501, { message: `not simulated: ${request.method} ${url.pathname}` }]
    return [204]
  }

  const server = createServer(async (request, response) => {
    const answered = await answer(request)
    if (!answered) {
      listeners.add(response.writeHead(200))
      response.flushHeaders()
      response.once('close', () => listeners.delete(response))
      return
    }
    const [status, body] = answered
    const isJson = typeof body === 'object'
    response.writeHead(status, { 'content-type': isJson ? 'application/json' : 'text/plain' })
    response.end(isJson ? JSON.stringify(body) : body)
  })
  server.listen(socketPath)
  await once(server, 'listening')
  return {
    get started() {
      return started
    },
    get size() {
      return containers.size
    },
    close: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
