// An ApiServer as it is shipped, in a process of its own: for what ends, blocks or fills a process.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../infra/stack/port.ts'
import type { Stack } from '../../infra/stack/stack.ts'
import { environmentFor, type Settings } from '../../shared/settings.ts'
import { adminToken, metricsToken, runnerToken } from './apiServer.ts'
import { until } from './until.ts'

const program = join(import.meta.dirname, '..', '..', 'dist', 'api.js')

export class ApiProcess {
  readonly port: number
  readonly #child: ChildProcess
  #log = ''

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#child = child
    child.stderr?.on('data', (data) => {
      this.#log += data
    })
    const end = () => void child.kill('SIGKILL')
    process.once('exit', end)
    child.once('exit', () => process.off('exit', end))
  }

  /** Resolves when it listens. */
  static async start(stack: Stack, settings: Partial<Settings<'api'>> = {}): Promise<ApiProcess> {
    const port = settings.listenPort ?? (await freePort())
    const env = environmentFor('api', {
      ...{ etcd: stack.etcd.address, redis: stack.redis.address, zookeeper: stack.zookeeper.address },
      ...{ adminToken, runnerToken, metricsToken, listenPort: port, sessionMs: 4_000, logLevel: 'info' },
      ...settings,
    })
    const options = { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] } as const
    const api = new ApiProcess(
      port,
      spawn(process.execPath, [program], { ...options, stdio: [...options.stdio] }),
    )
    await until(() => api.log.includes('"listening"') || api.#child.exitCode !== null, 30_000)
    if (api.#child.exitCode !== null) throw new Error(`the ApiServer ended: ${api.log}`)
    return api
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#log
  }

  /** Memory that it has had at most, in MiB. */
  get peakMiB(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** The exit code; null when a signal ended it. */
  async exited(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited()
  }
}
