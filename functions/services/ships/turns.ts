// Work of one name, one after the other in this process: those who would only thwart each other wait instead.
import { ArmadaError } from '../../../shared/errors.ts'

const waitingLimit = 1_000

export class Turns {
  #last = new Map<string, Promise<unknown>>()
  #waiting = new Map<string, number>()

  /** Runs the work when all that came before it under the name has settled. @throws ArmadaError unavailable. */
  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(name) ?? 0
    if (waiting >= waitingLimit) {
      const detail = `${waiting} requests wait for their turn with ${name}. Try again.`
      throw new ArmadaError('unavailable', detail, { retryAfterSeconds: 1 })
    }
    this.#waiting.set(name, waiting + 1)
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(work, work)
    this.#last.set(name, turn)
    try {
      return await turn
    } finally {
      const left = (this.#waiting.get(name) ?? 1) - 1
      if (left > 0) this.#waiting.set(name, left)
      else {
        this.#waiting.delete(name)
        this.#last.delete(name)
      }
    }
  }
}
