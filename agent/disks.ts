// The disks of Docker's data and of the agent's state: whether they answer, can be written to, and have room.
//
// INVARIANTS
// - Nobody waits for a disk but the loop here. Of each folder one question at a time is under way: one that hangs holds one
//   of the few threads of this process.
// - A disk in trouble is well again when it was twice in a row, with half as much room again as it takes to be called full.
import { constants } from 'node:fs'
import { access, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { loop, sleep, within } from '../shared/loop.ts'
import { MiB } from '../shared/model/resources.ts'
import type { Engine } from './docker/engine.ts'

const everyMs = 5_000
const limitMs = 5_000
const leastMiB = 512
/** On a small disk. */
const leastShare = 0.02

interface Room {
  freeMiB: number
  totalMiB: number
}

export class Disks {
  readonly #engine: Engine
  readonly #state: Disk
  #data: Disk | undefined

  constructor(stateDir: string, engine: Engine) {
    this.#engine = engine
    this.#state = new Disk(`the agent's state (${stateDir})`, stateDir, () => tryToWrite(stateDir))
  }

  /** Why no new ship should come here, and what to do; null when there is no reason. */
  get trouble(): string | null {
    return this.#data?.trouble ?? this.#state.trouble
  }

  /** Of Docker's data; null when it cannot be told. */
  get room(): Room | null {
    return this.#data?.room ?? null
  }

  /** Resolves when there is no trouble, or when the signal fires. */
  async well(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.trouble !== null) await sleep(250, signal)
  }

  async watch(signal: AbortSignal, log: Log): Promise<void> {
    let told: string | null = null
    await loop({ name: 'disks', everyMs, signal, log }, async () => {
      await Promise.all([this.#state.look(), this.#lookAtData()])
      if (this.trouble !== told) log.warn({ trouble: this.trouble }, 'the disks of this host')
      told = this.trouble
    })
  }

  async #lookAtData(): Promise<void> {
    // Where it is nobody knows as long as the engine does not answer.
    const info = this.#data ? undefined : await this.#engine.info().catch(() => undefined)
    if (info) {
      const dir = info.DockerRootDir
      this.#data = new Disk(`Docker's data (${dir})`, dir, () => access(dir, constants.W_OK))
    }
    await this.#data?.look()
  }
}

/** As root, what is not there or not allowed is the folder of another machine, or out of this process's container. */
const elsewhere: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'])

class Disk {
  readonly #name: string
  readonly #dir: string
  readonly #tryToWrite: () => Promise<void>
  #asking: Promise<string | null> | undefined
  #isFull = false
  #timesWell = 0
  trouble: string | null = null
  room: Room | null = null

  constructor(name: string, dir: string, tryToWrite: () => Promise<void>) {
    this.#name = name
    this.#dir = dir
    this.#tryToWrite = tryToWrite
  }

  async look(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    const late = () => new Error(`does not answer within ${limitMs / 1_000} s; look at the kernel's log`)
    const found = await within(this.#asking, limitMs, late).catch(messageOf)
    this.#timesWell = found === null ? this.#timesWell + 1 : 0
    if (found !== null) this.trouble = `the disk of ${this.#name} ${found}`
    else if (this.#timesWell > 1) this.trouble = null
  }

  async #ask(): Promise<string | null> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#dir)
      const toMiB = (count: number) => Math.floor((count * bsize) / MiB)
      this.room = { freeMiB: toMiB(bavail), totalMiB: toMiB(blocks) }
      await this.#tryToWrite()
      return this.#full(this.room)
    } catch (error) {
      if (elsewhere.has((error as NodeJS.ErrnoException).code)) return null
      return `cannot be written to (${messageOf(error)}); make room, or look at the kernel's log`
    }
  }

  #full({ freeMiB, totalMiB }: Room): string | null {
    const least = Math.min(leastMiB, totalMiB * leastShare)
    this.#isFull = freeMiB < (this.#isFull ? least * 1.5 : least)
    return this.#isFull ? `has ${freeMiB} of ${totalMiB} MiB free; make room` : null
  }
}

async function tryToWrite(dir: string): Promise<void> {
  const file = join(dir, 'disk-check')
  await writeFile(file, 'Written now and then by the agent, to see whether it can.\n')
  await rm(file)
}
