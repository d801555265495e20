// The Docker engine of this host: the few requests Armada makes, each with a limit, and whether it answers.
import type { Readable } from 'node:stream'
import Dockerode from 'dockerode'
import { messageOf } from '../../shared/errors.ts'
import { sleep, within } from '../../shared/loop.ts'
import { type SdkPorts, sdkPortsIn } from '../sdkPorts.ts'
import { EngineError, hasStatus, isAway } from './engineError.ts'
import { label, type Mark, markOf } from './label.ts'
import type { ContainerLimits } from './limits.ts'

/** One of our containers, as the list shows it. */
export interface Found extends Mark {
  id: string
  state: 'created' | 'running' | 'ended'
}

/** One container, looked at closely. */
export interface Details {
  id: string
  mark: Mark | undefined
  state: Found['state']
  /** Its own address on the container network; null on the host's network. */
  address: string | null
  pid: number
  sdkPorts: SdkPorts
  /** Milliseconds since 1970; null when it never ran. */
  startedAtEpochMs: number | null
  stopSignal: string
  limits: ContainerLimits
  exit: { code: number; oomKilled: boolean; at: string; error: string }
}

const states: Readonly<Record<string, Found['state']>> = {
  created: 'created',
  exited: 'ended',
  dead: 'ended',
  removing: 'ended',
}

export class Engine {
  readonly docker: Dockerode
  readonly socketPath: string
  #away: string | null = null
  #pinging: Promise<boolean> | undefined

  constructor(socketPath: string) {
    this.socketPath = socketPath
    this.docker = new Dockerode({ socketPath })
  }

  /** Why it does not answer, not even to a ping; null when it does. */
  get away(): string | null {
    return this.#away
  }

  /** Resolves when it answers, or when the signal fires. */
  async answers(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.ping())) await sleep(250, signal)
  }

  async ping(): Promise<boolean> {
    this.#pinging ??= this.#ping().finally(() => {
      this.#pinging = undefined
    })
    return this.#pinging
  }

  async #ping(): Promise<boolean> {
    try {
      await this.ask('ping', 2_000, () => this.docker.ping())
      return true
    } catch (error) {
      if (isAway(error)) this.#away = messageOf(error)
      return false
    }
  }

  /** All containers of the host with this id, in any state; or only those that do not run. */
  async list(host: string, only?: 'down'): Promise<Found[]> {
    const filters = { label: [`${label.host}=${host}`], ...(only && { status: Object.keys(states) }) }
    const all = await this.ask('list', 10_000, (abortSignal) =>
      this.docker.listContainers({ all: true, filters, abortSignal }),
    )
    return all.flatMap((container) => {
      const mark = markOf(container.Labels)
      return mark ? [{ ...mark, id: container.Id, state: states[container.State] ?? 'running' }] : []
    })
  }

  async info(): Promise<{ DockerRootDir: string }> {
    return this.ask('info', 10_000, () => this.docker.info())
  }

  /** By id or name; undefined when there is none. */
  async details(id: string): Promise<Details | undefined> {
    try {
      const info = await this.ask('inspect', 10_000, (abortSignal) =>
        this.docker.getContainer(id).inspect({ abortSignal }),
      )
      return detailsOf(info)
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  async create(options: Dockerode.ContainerCreateOptions): Promise<string> {
    const container = await this.ask('create', 60_000, (abortSignal) =>
      this.docker.createContainer({ ...options, abortSignal }),
    )
    return container.id
  }

  /** Fine when it runs already. */
  async start(id: string): Promise<void> {
    await this.ask('start', 60_000, (abortSignal) =>
      this.docker.getContainer(id).start({ abortSignal }),
    ).catch(unless(304))
  }

  /** Other limits for a container, as it runs. */
  async update(id: string, limits: ContainerLimits): Promise<void> {
    await this.ask('update', 10_000, (abortSignal) =>
      this.docker.getContainer(id).update({ ...limits, abortSignal }),
    )
  }

  /** Fine when it does not run, or is not there. */
  async signal(id: string, signal: string): Promise<void> {
    await this.ask('kill', 10_000, (abortSignal) =>
      this.docker.getContainer(id).kill({ signal, abortSignal }),
    ).catch(unless(404, 409))
  }

  /** Kills it if it runs. Fine when it is not there, or is being removed. */
  async remove(id: string): Promise<void> {
    await this.ask('remove', 60_000, (abortSignal) =>
      this.docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
    ).catch(unless(404, 409))
  }

  /** Begins a command inside a container. @returns the id under which exitOf tells its end. */
  async exec(id: string, command: readonly string[]): Promise<string> {
    const container = this.docker.getContainer(id)
    const exec = await this.ask('exec', 10_000, (abortSignal) =>
      container.exec({ Cmd: [...command], AttachStdout: false, AttachStderr: false, abortSignal }),
    )
    await this.ask('exec start', 10_000, (abortSignal) => exec.start({ Detach: true, abortSignal }))
    return exec.id
  }

  /** Exit code of a command that exec began; null while it runs. */
  async exitOf(exec: string): Promise<number | null> {
    const { Running, ExitCode } = await this.ask('exec inspect', 10_000, (abortSignal) =>
      this.docker.getExec(exec).inspect({ abortSignal }),
    )
    return Running ? null : ExitCode
  }

  /** A stream that ends with the signal. One whose opening took too long is closed, should it open after all. */
  async open(
    doing: string,
    signal: AbortSignal,
    request: (abort: AbortSignal) => Promise<NodeJS.ReadableStream>,
  ): Promise<Readable> {
    const over = new AbortController()
    try {
      const either = AbortSignal.any([signal, over.signal])
      return (await this.ask(doing, 10_000, () => request(either))) as Readable
    } catch (error) {
      over.abort()
      throw error
    }
  }

  /** @throws EngineError whose status is null when no answer came within the limit. */
  async ask<T>(doing: string, limitMs: number, request: (abort: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController()
    // Docker's library never settles when an answer breaks off in its middle, hence the limit outside of it.
    const late = (): Error => {
      over.abort()
      return new Error(`no answer within ${limitMs} ms`)
    }
    try {
      const answer = await within(request(over.signal), limitMs, late)
      this.#away = null
      return answer
    } catch (cause) {
      const error = EngineError.from(cause, doing)
      if (error.status !== null) this.#away = null
      // One request that hangs says nothing of the others.
      else void this.ping()
      throw error
    }
  }
}

function unless(...statuses: number[]): (error: unknown) => void {
  return (error) => {
    if (!statuses.some((status) => hasStatus(error, status))) throw error
  }
}

function containerLimits(config: Dockerode.HostConfig): ContainerLimits {
  const { Memory = 0, MemorySwap = 0, CpuShares = 0, CpuQuota = 0, PidsLimit } = config
  return { Memory, MemorySwap, CpuShares, CpuQuota, PidsLimit: PidsLimit ?? 0 }
}

function detailsOf(info: Dockerode.ContainerInspectInfo): Details {
  const { State: state, NetworkSettings: network } = info
  const startedAtEpochMs = Date.parse(state.StartedAt)
  const addresses = Object.values(network.Networks ?? {}).map((one) => one.IPAddress)
  return {
    id: info.Id,
    mark: markOf(info.Config.Labels),
    state: states[state.Status] ?? 'running',
    address: addresses.find((address) => address !== '') ?? null,
    pid: state.Pid,
    sdkPorts: sdkPortsIn(info.Config.Env ?? []),
    startedAtEpochMs: startedAtEpochMs > 0 ? startedAtEpochMs : null,
    limits: containerLimits(info.HostConfig),
    stopSignal: (info.Config as { StopSignal?: string }).StopSignal || 'SIGTERM',
    exit: {
      code: state.ExitCode,
      oomKilled: state.OOMKilled,
      at: new Date(Math.max(Date.parse(state.FinishedAt), 0)).toISOString(),
      error: state.Error,
    },
  }
}
