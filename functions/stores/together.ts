// Small questions of many callers, asked of a store as one: while a question is under way the next ones collect.
//
// INVARIANT: a question goes out after it was asked, so that its answer is never older than the question.

interface Asked {
  from: number
  count: number
  resolve: (answers: Promise<(string | null)[]>) => void
}

export class Together {
  readonly #fetch: (ids: readonly string[]) => Promise<(string | null)[]>
  #ids: string[] = []
  #asked: Asked[] = []
  #busy = false

  /** @param fetch answers in the order of the ids, within a limit of its own. */
  constructor(fetch: (ids: readonly string[]) => Promise<(string | null)[]>) {
    this.#fetch = fetch
  }

  ask(ids: readonly string[]): Promise<(string | null)[]> {
    if (ids.length === 0) return Promise.resolve([])
    return new Promise((resolve) => {
      this.#asked.push({ from: this.#ids.length, count: ids.length, resolve })
      for (const id of ids) this.#ids.push(id)
      if (this.#busy) return
      this.#busy = true
      // What else came in this turn of the event loop goes along.
      setImmediate(() => this.#send())
    })
  }

  #send(): void {
    const asked = this.#asked
    const answers = this.#fetch(this.#ids)
    this.#asked = []
    this.#ids = []
    for (const { from, count, resolve } of asked)
      resolve(answers.then((all) => all.slice(from, from + count)))
    const next = () => {
      if (this.#asked.length > 0) this.#send()
      else this.#busy = false
    }
    answers.then(next, next)
  }
}
