// Watchlist: asks every second which ships may need a decision, and sends what the controllers decide on them.
import { answerOf } from '../../../../shared/api/client.ts'
import type { Decision } from '../../../../shared/api/moves.ts'
import type { Settings } from '../../../../shared/settings.ts'
import { ledLoop } from '../../ledLoop.ts'
import { sendDecisions } from '../decisions.ts'
import type { Office } from '../office.ts'
import { endAged } from './aged.ts'
import { forget } from './forget.ts'
import { returnLapsed } from './lapses.ts'
import { resolveLost } from './lost.ts'
import { queueAgain } from './tickets.ts'
import { endUnwell } from './unwell.ts'

const everyMs = 1_000

/** @param brake why lost ships are not replaced now, or null. */
export async function attend(
  office: Office,
  {
    ticketLostMs,
    unclaimedMs,
    forgetMs,
  }: Pick<Settings<'runner'>, 'ticketLostMs' | 'unclaimedMs' | 'forgetMs'>,
  brake: () => string | null,
): Promise<void> {
  const { client, log, signal } = office
  const query = {
    queuedMs: String(ticketLostMs),
    scheduledMs: String(unclaimedMs),
    finishedMs: String(forgetMs),
    limit: '500',
  }
  await ledLoop({ name: 'watchlist', everyMs, signal, log }, async () => {
    const list = await answerOf(client.v1.controllers.watchlist.$get({ query }, { init: { signal } }))
    const decided: Decision[][] = [
      queueAgain(list),
      resolveLost(list, brake()),
      endAged(list),
      endUnwell(list),
      forget(list),
    ]
    await sendDecisions(decided.flat(), office)
    await returnLapsed(list, office)
  })
}
