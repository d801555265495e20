// One server process: started, waited for, stopped, killed, paused, and found again by a later run.
//
// STATES: down → starting → up → stopping → down; killed from outside while up → down (→ starting with `revive`).
// INVARIANTS
// - Verbs on one server run one after the other.
// - A server gets its own process group: Ctrl-C in a terminal reaches us only, and we end servers in order.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import {
  endLeftover,
  endMarked,
  eraseMark,
  isAlive,
  livingMark,
  type Mark,
  signalMarked,
  startTicksOf,
  untilStandsStill,
  waitGone,
  writeMark,
} from './leftover.ts'
import type { Server } from './server.ts'
import { lastLines, openLog } from './serverLog.ts'

/** Whether a server that ends by itself is started again; a function is told each time. */
export type Revive = boolean | ((told: string) => void)

export interface ServerPlan {
  name: string
  /** Its folder: data, mark and log. */
  dir: string
  command: string
  args: readonly string[]
  /** Beside our own environment, of which it gets all but Armada's settings. */
  env?: Record<string, string>
  /** Names in `env` of what only the first start needs: without it a server of a former run is the same. */
  onlyOnce?: readonly string[]
  address: string
  /** One question to the server, bounded in time by itself. */
  answers: () => Promise<boolean>
  readyLimitMs?: number
  graceMs?: number
  /** The kernel ends the server when this process dies, however it dies. For tests; needs `setpriv`. */
  endWithParent?: boolean
  /** Start it again when it ends without being asked to. */
  revive?: Revive
  /** Runs before each start: what a crash may have left in the way. */
  beforeStart?: () => void | Promise<void>
  log: Log
}

class OwnServer implements Server {
  readonly name: string
  readonly address: string
  readonly #plan: ServerPlan
  #mark: Mark | undefined
  #wanted = false
  /** How it ended last; a server of a former run is no child, and nobody hears how it does. */
  #end = 'it ended'
  #turn: Promise<unknown> = Promise.resolve()

  constructor(plan: ServerPlan) {
    this.#plan = plan
    this.name = plan.name
    this.address = plan.address
  }

  get pid(): number | undefined {
    return this.#mark !== undefined && isAlive(this.#mark) ? this.#mark.pid : undefined
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.#start())
  }

  stop(): Promise<void> {
    this.#wanted = false
    return this.#inTurn(() => this.#stop())
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      this.#wanted = false
      await this.#stop()
      await this.#start()
    })
  }

  kill(): Promise<void> {
    this.#wanted = false
    return this.#inTurn(async () => {
      if (this.#mark === undefined) return
      signalMarked(this.#mark, 'SIGKILL')
      await waitGone(this.#mark, 5_000)
      this.#down()
    })
  }

  pause(): void {
    if (this.#mark === undefined) return
    signalMarked(this.#mark, 'SIGSTOP')
    untilStandsStill(this.#mark.pid)
  }

  resume(): void {
    if (this.#mark !== undefined) signalMarked(this.#mark, 'SIGCONT')
  }

  get #log(): string {
    return join(this.#plan.dir, `${this.name}.log`)
  }

  /** What decides whether a server of a former run is the one wanted now. Only a digest: settings hold secrets. */
  #launch(argv: readonly string[]): string {
    const { env = {}, onlyOnce = [] } = this.#plan
    const lasting = Object.entries(env).filter(([name]) => !onlyOnce.includes(name))
    return createHash('sha256')
      .update(JSON.stringify([argv, Object.fromEntries(lasting)]))
      .digest('hex')
  }

  #inTurn<T>(verb: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(verb)
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #start(): Promise<void> {
    const { dir, command, args, log } = this.#plan
    if (this.pid !== undefined) return
    mkdirSync(dir, { recursive: true })
    const argv = [command, ...args]
    const leftover = livingMark(dir)
    if (leftover !== undefined && leftover.launch === this.#launch(argv)) {
      if (await this.#plan.answers().catch(() => false)) {
        log.info({ server: this.name, pid: leftover.pid }, 'the server of a former run is used on')
        this.#up(leftover)
        return
      }
    }
    await endLeftover(dir, this.#plan.graceMs)
    await this.#plan.beforeStart?.()
    await this.#spawn(argv)
  }

  async #spawn(argv: readonly string[]): Promise<void> {
    const { dir, env, address, endWithParent = false, readyLimitMs = 20_000 } = this.#plan
    const output = openLog(this.#log)
    const [command = '', ...args] = endWithParent ? ['setpriv', '--pdeathsig', 'KILL', '--', ...argv] : argv
    const child = spawn(command, args, {
      cwd: dir,
      env: { ...ownEnvironment(), ...env },
      stdio: ['ignore', output, output],
      detached: true,
    })
    closeSync(output)
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(messageOf(error)))
      child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `code ${code}`}`))
    })
    child.unref()
    const startTicks = child.pid === undefined ? undefined : startTicksOf(child.pid)
    if (child.pid === undefined || startTicks === undefined) throw this.#unready(await ended)
    const mark = {
      pid: child.pid,
      startTicks,
      program: basename(argv[0] ?? ''),
      address,
      launch: this.#launch(argv),
    }
    writeMark(dir, mark)
    const reason = await this.#untilReady(mark, ended, readyLimitMs)
    if (reason !== undefined) {
      await endMarked(mark, 1_000)
      eraseMark(dir)
      throw this.#unready(reason)
    }
    this.#up(mark)
    void ended.then((end) => {
      this.#end = end
      this.#tellEnd(mark, end)
    })
  }

  /** Whoever uses a server that nobody starts again would see no more than broken connections. */
  #tellEnd(mark: Mark, end: string): void {
    if (!this.#wanted || this.#mark !== mark || this.#plan.revive) return
    process.stderr.write(
      `${this.name}, unasked: ${end}. Last lines of ${this.#log}:\n${lastLines(this.#log)}\n`,
    )
  }

  /** Undefined once the server answers, else why it will not. */
  async #untilReady(mark: Mark, ended: Promise<string>, limitMs: number): Promise<string | undefined> {
    const endMs = performance.now() + limitMs
    while (performance.now() < endMs) {
      if (await this.#plan.answers().catch(() => false)) return undefined
      if (!isAlive(mark)) return await ended
      await sleep(15)
    }
    return `it did not answer within ${limitMs / 1_000} s. On a slow or busy machine it may need longer: starting it again goes on from there`
  }

  #unready(reason: string): ArmadaError {
    return new ArmadaError(
      'unavailable',
      `${this.name} did not start: ${reason}. Last lines of ${this.#log}:\n${lastLines(this.#log)}`,
    )
  }

  #up(mark: Mark): void {
    this.#mark = mark
    this.#wanted = true
    if (this.#plan.revive) void this.#watch(mark)
  }

  #down(): void {
    this.#mark = undefined
    eraseMark(this.#plan.dir)
  }

  async #stop(): Promise<void> {
    if (this.#mark === undefined) return
    await endMarked(this.#mark, this.#plan.graceMs ?? 5_000)
    this.#down()
  }

  async #watch(mark: Mark): Promise<void> {
    const { log, revive } = this.#plan
    while (this.#wanted && this.#mark === mark && isAlive(mark)) await sleep(200)
    for (let pauseMs = 200; this.#wanted && this.#mark === mark; pauseMs = Math.min(pauseMs * 2, 10_000)) {
      log.warn({ server: this.name, pid: mark.pid }, 'the server ended by itself and is started again')
      if (typeof revive === 'function')
        revive(`${this.name} is started again, unasked: ${this.#end}. Its log: ${this.#log}`)
      const failure = await this.#inTurn(() => (this.#wanted ? this.#start() : Promise.resolve())).catch(
        messageOf,
      )
      if (failure === undefined) return
      log.error({ server: this.name, error: failure }, 'the server cannot be started again')
      await sleep(pauseMs)
    }
  }
}

/** Armada's settings reach a process only through its plan: what is not an ApiServer must not know the stores. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ARMADA_')))
}

/** Starts a server, or takes over the same one left running by a former run. Resolves when it answers. */
export async function startServer(plan: ServerPlan): Promise<Server> {
  const server = new OwnServer(plan)
  await server.start()
  return server
}
