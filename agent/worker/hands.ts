// Work that nobody awaits where it begins: its errors are logged, and it is awaited at the end.
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'

export class Hands {
  readonly #log: Log
  readonly #busy = new Set<Promise<void>>()
  readonly #unique = new Set<string>()

  constructor(log: Log) {
    this.#log = log
  }

  run(task: string, work: () => Promise<unknown>): void {
    const done = work().then(
      () => undefined,
      (error: unknown) => this.#log.error({ task, error: messageOf(error) }, 'a task failed'),
    )
    this.#busy.add(done)
    void done.then(() => this.#busy.delete(done))
  }

  /** Unless a task of this name is under way. */
  once(task: string, work: () => Promise<unknown>): void {
    if (this.#unique.has(task)) return
    this.#unique.add(task)
    this.run(task, () => work().finally(() => this.#unique.delete(task)))
  }

  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy)
  }
}
