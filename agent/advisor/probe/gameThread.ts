// The thread in which games are asked. What a ship answers can end it: the libraries that read the answers throw in
// places that nobody can catch, and a ship is not trusted.
//
// INVARIANTS
// - Nobody knows whose answer ended the thread: it may have come long after its query was over. Those under way are
//   asked once more, one at a time. To blame is whoever ends a thread that has asked nobody else; it is not asked for a
//   while, because to begin a thread costs some tenths of a second of a core.
// - A query that holds the thread longer than it may ends it.
import { Worker } from 'node:worker_threads'
import { messageOf } from '../../../shared/errors.ts'
import type { Players } from '../shipMeter.ts'

export interface GameQuery {
  id: number
  /** Its type in the gamedig library. */
  game: string
  address: string
  port: number
  timeoutMs: number
}

/** What the thread says: first that it has begun. */
export type GameAnswer = 'begun' | { id: number; players: Players } | { id: number; error: string }

interface Asked {
  query: GameQuery
  give(players: Players): void
  refuse(error: Error): void
  overdue?: NodeJS.Timeout
}

/** How far behind its own limit an answer may be before the thread is taken for stuck. */
const graceMs = 2_000
/** To load the library, on a slow and busy machine. */
const beginMs = 30_000
const blamedMs = 30_000
const memory = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 4 }
/** games.ts as it is built, beside the agent: threads cannot be begun from sources. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/games.mjs' : './games.mjs',
  import.meta.url,
)

export class GameThread {
  #worker: Worker | undefined
  #hasBegun = false
  /** Queries that this thread was given, answered ones too. */
  #given = 0
  #lastId = 0
  readonly #underWay = new Map<number, Asked>()
  readonly #suspects: Asked[] = []
  /** They are asked one at a time; whoever comes meanwhile waits until all of them have been. */
  #onTrial = false
  #meanwhile: Asked[] = []
  readonly #blamed = new Map<string, Error>()

  /** @throws Error that says what is wrong with the answer, or that there was none. */
  ask(query: Omit<GameQuery, 'id'>): Promise<Players> {
    const blame = this.#blamed.get(nameOf(query))
    if (blame) return Promise.reject(blame)
    return new Promise((give, refuse) => {
      const asked: Asked = { query: { id: ++this.#lastId, ...query }, give, refuse }
      if (this.#onTrial) this.#meanwhile.push(asked)
      else this.#send(asked)
    })
  }

  #send(asked: Asked): void {
    const { id, timeoutMs } = asked.query
    this.#worker ??= this.#start()
    this.#given++
    this.#underWay.set(id, asked)
    const worker = this.#worker
    const limitMs = (this.#hasBegun ? 0 : beginMs) + timeoutMs + graceMs
    asked.overdue = setTimeout(() => void worker.terminate(), limitMs)
    worker.postMessage(asked.query)
  }

  #start(): Worker {
    const worker = new Worker(program, { resourceLimits: memory })
    let why = 'it took too long'
    worker.on('message', (answer: GameAnswer) => this.#hear(answer))
    worker.on('error', (error) => {
      why = messageOf(error)
    })
    worker.on('exit', () => this.#ended(why))
    // Last: whoever listens keeps the process up again.
    worker.unref()
    return worker
  }

  #hear(answer: GameAnswer): void {
    if (answer === 'begun') {
      this.#hasBegun = true
      return
    }
    const asked = this.#underWay.get(answer.id)
    if (!asked) return
    this.#settled(asked)
    if ('players' in answer) asked.give(answer.players)
    else asked.refuse(new Error(answer.error))
    this.#nextSuspect()
  }

  #ended(why: string): void {
    const all = [...this.#underWay.values()]
    for (const asked of all) this.#settled(asked)
    const [only] = all
    if (only && this.#given === 1) only.refuse(this.#blame(only.query, why))
    else this.#suspects.unshift(...all)
    this.#onTrial = this.#suspects.length > 0
    this.#worker = undefined
    this.#hasBegun = false
    this.#given = 0
    this.#nextSuspect()
  }

  #blame(query: GameQuery, why: string): Error {
    const { game, port } = query
    const error = new Error(`the ${game} query on port ${port} got an answer that cannot be read: ${why}`)
    const name = nameOf(query)
    this.#blamed.set(name, error)
    setTimeout(() => this.#blamed.delete(name), blamedMs).unref()
    return error
  }

  #settled(asked: Asked): void {
    clearTimeout(asked.overdue)
    this.#underWay.delete(asked.query.id)
  }

  #nextSuspect(): void {
    if (this.#underWay.size > 0) return
    const next = this.#suspects.shift()
    if (next) this.#send(next)
    else {
      this.#onTrial = false
      for (const asked of this.#meanwhile.splice(0)) this.#send(asked)
    }
  }
}

function nameOf({ address, port }: Omit<GameQuery, 'id'>): string {
  return `${address}:${port}`
}
