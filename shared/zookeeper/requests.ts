// Requests under way on the native driver: counted, limited in time, their answers turned into values or errors.
import { KeeperError } from './keeperError.ts'
import type { Answer, Native } from './native.ts'
import type { Session } from './session.ts'

const operations = ['create', 'get', 'set', 'delete', 'children', 'exists', 'sync', 'set_acl'] as const
export type Operation = (typeof operations)[number]

interface UnderWay {
  deadlineMs: number
  late: () => void
}

export class Requests {
  /** Sent since the start, by operation. */
  readonly counts = Object.fromEntries(operations.map((name) => [name, 0])) as Record<Operation, number>
  readonly #limitMs: number
  readonly #onSettled: (operation: Operation, ms: number, ok: boolean) => void
  /** In the order of their deadlines, because all have the same limit. */
  readonly #underWay = new Set<UnderWay>()

  constructor(
    limitMs: number,
    onSettled: (operation: Operation, ms: number, ok: boolean) => void = () => undefined,
  ) {
    this.#limitMs = limitMs
    this.#onSettled = onSettled
  }

  /** @throws KeeperError; `timeout` (unknown) when no answer came within the limit. */
  send<T, A extends unknown[]>(
    session: Session,
    operation: Operation,
    path: string,
    begin: (native: Native, answer: Answer<A>) => number,
    take: (...answer: A) => T,
  ): Promise<T> {
    const request = `${operation} ${path}`
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + this.#limitMs
      const settled = (ok: boolean) =>
        this.#onSettled(operation, performance.now() - deadlineMs + this.#limitMs, ok)
      const late = () => {
        settled(false)
        reject(new KeeperError('timeout', true, request))
      }
      const entry = { deadlineMs, late }
      const onAnswer: Answer<A> = (returnCode, _message, ...answer) => {
        if (!this.#underWay.delete(entry)) return
        if (returnCode === 0) {
          settled(true)
          return resolve(take(...answer))
        }
        const closed = session.state === 'closed'
        const error = closed
          ? new KeeperError('closed', true, request)
          : KeeperError.from(returnCode, request)
        settled(!error.unknown) // a refusal is an answer too
        // When the connection breaks, nobody may open sockets within the driver's callback (see session.ts).
        if (error.unknown) setImmediate(reject, error)
        else reject(error)
      }
      const refused = session.send(request, (native) => {
        this.#underWay.add(entry)
        return begin(native, onAnswer)
      })
      if (refused === 0) {
        this.counts[operation]++
        return
      }
      this.#underWay.delete(entry)
      reject(KeeperError.from(refused, request))
    })
  }

  /** Gives up on those that are past their limit. */
  sweep(nowMs: number): void {
    for (const entry of this.#underWay) {
      if (entry.deadlineMs > nowMs) return
      this.#underWay.delete(entry)
      entry.late()
    }
  }
}
