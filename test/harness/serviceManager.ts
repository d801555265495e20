// What the installer needs of systemd, under a root of its own: one service by its real unit, `systemctl`, `journalctl`.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { sleep } from '../../shared/loop.ts'

/** Settings of a unit, of all its sections: name -> values in their order. */
type Unit = ReadonlyMap<string, readonly string[]>

/** What `systemctl` prints and ends with. */
interface Answer {
  code: number
  text?: string
}

const service = 'armada-agent'

export class ServiceManager {
  readonly root: string
  /** Stands first in the PATH of whoever shall use it. */
  readonly bin: string
  /** Whether it is started with the machine. */
  isEnabled = false
  /** A service that takes longer to stop is killed, also when its unit allows more. */
  longestStopMs = Number.POSITIVE_INFINITY
  readonly #log: string
  readonly #server: Server
  #unit: Unit = new Map()
  #state: 'inactive' | 'active' | 'activating' | 'deactivating' | 'failed' = 'inactive'
  #child: ChildProcess | undefined
  #restarts = 0

  private constructor(root: string) {
    this.root = root
    this.bin = join(root, 'bin')
    this.#log = join(root, 'journal')
    this.#server = createServer(async (request, response) => {
      let text = ''
      for await (const part of request) text += part
      const { code, text: said = '' } = await this.#obey(JSON.parse(text))
      response.setHeader('x-code', code).end(said)
    })
  }

  static async start(root: string): Promise<ServiceManager> {
    const manager = new ServiceManager(root)
    for (const folder of [
      manager.bin,
      ...['run/systemd/system', 'etc/systemd/system'].map((at) => join(root, at)),
    ])
      mkdirSync(folder, { recursive: true })
    writeFileSync(manager.#log, '')
    const socketPath = join(root, 'systemd.sock')
    const script = `#!${process.execPath}
const request = require('node:http').request({ socketPath: ${JSON.stringify(socketPath)}, method: 'POST' }, (answer) => {
  process.exitCode = Number(answer.headers['x-code'])
  answer.pipe(process.stdout)
})
request.end(JSON.stringify(process.argv.slice(2)))
`
    writeFileSync(join(manager.bin, 'systemctl'), script, { mode: 0o755 })
    const journal = `#!/bin/sh\nexec tail -n 10 ${manager.#log}\n`
    writeFileSync(join(manager.bin, 'journalctl'), journal, { mode: 0o755 })
    await once(manager.#server.listen(socketPath), 'listening')
    return manager
  }

  get isActive(): boolean {
    return this.#state === 'active'
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** A setting of the unit as it was last loaded. */
  setting(name: string): string | undefined {
    return this.#unit.get(name)?.at(-1)
  }

  async start(): Promise<void> {
    this.#load()
    this.#run()
  }

  /** The service is killed and not started again. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL')
    this.#state = 'failed'
  }

  async close(): Promise<void> {
    await this.#end('SIGKILL')
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #obey(args: readonly string[]): Promise<Answer> {
    const [verb, ...rest] = args.filter((arg) => !['--quiet', '--value'].includes(arg))
    if (verb === 'daemon-reload') this.#load()
    else if (verb === 'is-active') return { code: this.isActive ? 0 : 3 }
    else if (verb === 'show' && rest.join(' ') === `-p NRestarts ${service}`)
      return { code: 0, text: `${this.#restarts}\n` }
    else if (rest.join() !== service) return { code: 1, text: `not known here: ${args.join(' ')}\n` }
    else if (!this.#unit.has('ExecStart')) return { code: 5, text: `${service} is not loaded\n` }
    else if (verb === 'enable' || verb === 'disable') this.isEnabled = verb === 'enable'
    else if (verb === 'start') this.#run()
    else if (verb === 'stop') await this.#end(this.setting('KillSignal') ?? 'SIGTERM')
    else if (verb === 'restart') {
      await this.#end(this.setting('RestartKillSignal') ?? this.setting('KillSignal') ?? 'SIGTERM')
      this.#restarts = 0
      this.#run()
    } else return { code: 1, text: `not known here: ${args.join(' ')}\n` }
    return { code: 0 }
  }

  #load(): void {
    const file = `systemd/system/${service}.service`
    const dropIns = join(this.root, 'run', `${file}.d`)
    const files = [
      join(this.root, 'etc', file),
      ...(existsSync(dropIns) ? readdirSync(dropIns).map((name) => join(dropIns, name)) : []),
    ]
    const unit = new Map<string, string[]>()
    for (const line of files.flatMap((one) =>
      existsSync(one) ? readFileSync(one, 'utf8').split('\n') : [],
    )) {
      const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? []
      if (name !== undefined && value !== undefined) unit.set(name, [...(unit.get(name) ?? []), value])
    }
    this.#unit = unit
  }

  #run(): void {
    if (this.#child) return
    const [command = '', ...args] = (this.setting('ExecStart') ?? '').split(' ')
    const output = openSync(this.#log, 'a')
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      env: { PATH: process.env.PATH, ...this.#environment() },
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    this.#child = child
    this.#state = 'active'
    child.once('exit', async () => {
      this.#child = undefined
      if (this.#state !== 'active') return
      this.#state = 'activating'
      await sleep(Number(this.setting('RestartSec')) * 1_000)
      if (this.#state !== 'activating') return
      this.#restarts++
      this.#run()
    })
  }

  #environment(): Record<string, string> {
    const file = readFileSync(this.setting('EnvironmentFile') ?? '', 'utf8').split('\n')
    const pairs = [...(this.#unit.get('Environment') ?? []), ...file.filter((line) => /^\w+=/.test(line))]
    return Object.fromEntries(
      pairs.map((pair) => {
        const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(pair) ?? []
        return [name, value.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1')]
      }),
    )
  }

  async #end(signal: string): Promise<void> {
    const child = this.#child
    if (!child) {
      this.#state = 'inactive'
      return
    }
    this.#state = 'deactivating'
    const gone = once(child, 'exit')
    child.kill(signal as NodeJS.Signals)
    const limitMs = Math.min(this.longestStopMs, Number(this.setting('TimeoutStopSec')) * 1_000)
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    await gone
    clearTimeout(timer)
    this.#state = 'inactive'
  }
}
