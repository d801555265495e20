// Questions: the leader waits at the ApiServer for what people want to know of the board, and answers.
import { answerOf, type Client } from '../../../shared/api/client.ts'
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { pauseAfter, sleep } from '../../../shared/loop.ts'
import type { Question, Reply } from '../../../shared/model/question.ts'
import { isDeposed } from '../ledLoop.ts'

/** An ApiServer that leaves answers at once. */
const leastMs = 100

export interface QuestionsOptions {
  client: Client
  epoch: number
  log: Log
  replyTo: (question: Question) => Reply
}

/** Answers until the signal fires. @throws ArmadaError stale_epoch when a newer leader has taken over. */
export async function answerQuestions(options: QuestionsOptions, signal: AbortSignal): Promise<void> {
  const { client, epoch, log, replyTo } = options
  const { questions } = client.v1.placements
  for (let failures = 0; !signal.aborted; ) {
    const begunMs = performance.now()
    try {
      const { asked } = await answerOf(questions.$post({ json: { epoch } }, { init: { signal } }))
      failures = 0
      if (asked) {
        const json = { epoch, reply: replyTo(asked.question) }
        await answerOf(questions[':id'].$post({ param: { id: asked.id }, json }, { init: { signal } }))
      } else await sleep(leastMs - (performance.now() - begunMs), signal)
    } catch (error) {
      if (isDeposed(error) && !signal.aborted) throw error
      log.debug({ error: messageOf(error) }, 'no questions can be heard; waiting for them again')
      await pauseAfter(failures++, 200, 5_000, signal)
    }
  }
}
