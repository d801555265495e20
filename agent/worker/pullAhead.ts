// Pulling ahead: images that the cluster wants here before ships of them come.
import { messageOf } from '../../shared/errors.ts'
import { pauseAfter } from '../../shared/loop.ts'
import type { PullOrder } from '../../shared/model/imagePull.ts'
import { isAway } from '../docker/engineError.ts'
import type { PullBook } from '../pullBook.ts'
import type { Crew } from './crew.ts'

const mostTries = 3

export function pullAhead(crew: Crew, book: PullBook): void {
  book.onOrder((order) => {
    crew.hands.run('pull an image ahead', async () => {
      const beginMs = performance.now()
      const reason = await pull(crew, order)
      // The order is given again to the next agent.
      if (crew.signal.aborted) return
      const tookMs = Math.round(performance.now() - beginMs)
      book.end({ pull: order.pull, state: reason === null ? 'Pulled' : 'Failed', reason, tookMs })
    })
  })
}

/** @returns why it is not here. */
async function pull({ images, engine, signal, log }: Crew, order: PullOrder): Promise<string | null> {
  const { pull, image, limitMs } = order
  const untilMs = performance.now() + limitMs
  for (let tries = 1; ; ) {
    try {
      await images.ensure(image, Math.max(1, untilMs - performance.now()))
      return null
    } catch (error) {
      const reason = messageOf(error).slice(0, 1_000)
      log.warn({ pull, image, reason, tries }, 'an image cannot be pulled ahead')
      if (isAway(error)) await engine.answers(signal)
      else if (tries++ >= mostTries) return reason
      await pauseAfter(tries, 500, 5_000, signal)
      if (signal.aborted || performance.now() >= untilMs) return reason
    }
  }
}
