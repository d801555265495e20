// Questions about placement: passed on to the leading scheduler, who alone knows what is left of every host.
import * as routes from '../../../shared/api/simulations.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { mostSimulated } from '../../../shared/model/question.ts'
import { demandOf } from '../../../shared/model/ticket.ts'
import { guarded } from '../../middleware/authenticate.ts'
import type { Stores } from '../../stores/stores.ts'
import { serviceApp } from '../serviceApp.ts'
import { blueprintFor } from '../ships.ts'
import { defragmentation } from './defragmentation.ts'
import { ruledOutOf } from './whereabouts.ts'

const limitMs = 5_000
/** Shorter than any balancer waits for an answer, and an ApiServer that leaves for its requests. */
const pollMs = 2_000

/** @param stopping fires when this ApiServer is about to leave. */
export function simulationService(stores: Stores, stopping?: AbortSignal) {
  const { questions, epochs } = stores
  return serviceApp()
    .openapi(guarded(routes.simulatePlacement), async (c) => {
      const { blueprint, revision, spec: given, fleet, count } = c.req.valid('json')
      const spec = given ?? (await blueprintFor(stores, blueprint ?? '', revision)).spec
      const demand = demandOf(spec, fleet ?? null)
      const reply = await questions.ask({ kind: 'place', demand, count }, limitMs)
      if (reply.kind !== 'place') throw wrongReply()
      const { hosts, more, reason, why } = reply
      const fitting = hosts.reduce((sum, { ships }) => sum + ships, 0)
      const ruledOut = ruledOutOf(why?.ruledOut ?? {})
      const moreIsExact = fitting + more < mostSimulated
      return c.json({ count, fitting, hosts, more, moreIsExact, reason, ruledOut }, 200)
    })
    .openapi(guarded(routes.getDefragmentation), async (c) => {
      const ask = async (question: Parameters<typeof questions.ask>[0]) => {
        const reply = await questions.ask(question, limitMs)
        if (reply.kind !== 'empty') throw wrongReply()
        return reply
      }
      return c.json(await defragmentation(stores, ask), 200)
    })
    .openapi(guarded(routes.takeQuestion), async (c) => {
      await epochs.fence('scheduler', c.req.valid('json').epoch)
      const over = new AbortController()
      const end = () => over.abort()
      for (const signal of [stopping, c.req.raw.signal])
        signal?.addEventListener('abort', end, { once: true })
      try {
        const asked = stopping?.aborted ? undefined : await questions.take(pollMs, over.signal)
        return c.json({ asked: asked ?? null }, 200)
      } finally {
        stopping?.removeEventListener('abort', end)
      }
    })
    .openapi(guarded(routes.replyToQuestion), async (c) => {
      const { epoch, reply } = c.req.valid('json')
      await epochs.fence('scheduler', epoch)
      return c.json({ heard: await questions.reply(c.req.valid('param').id, reply) }, 200)
    })
}

function wrongReply(): ArmadaError {
  return new ArmadaError('internal', 'The scheduler answered another question than the one it was asked.')
}
