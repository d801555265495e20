// Lapses: allocations that nobody confirmed in the time of their lease go back.
import { answerOf } from '../../../../shared/api/client.ts'
import type { Watchlist } from '../../../../shared/api/moves.ts'
import type { Office } from '../office.ts'

const inCall = 500

export async function returnLapsed({ lapsed }: Pick<Watchlist, 'lapsed'>, office: Office): Promise<void> {
  const { client, epoch, log, signal } = office
  for (let i = 0; i < lapsed.length; i += inCall) {
    const json = { epoch, lapsed: lapsed.slice(i, i + inCall) }
    const request = client.v1.controllers.lapsed.$post({ json }, { init: { signal } })
    const { returned } = await answerOf(request)
    log.info({ returned: returned.length, first: returned[0] }, 'leases ran out')
  }
}
