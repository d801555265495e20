// A webhook policy's question, in the format of Agones' FleetAutoscaleReview: servers written for it answer unmodified.
//
// INVARIANTS
// - Where it may go, for how long and how much of an answer is read: see outbound/post.ts.
// - Nothing of an answer but a number goes anywhere.
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { ScaledFleet } from '../../../../shared/api/autoscaling.ts'
import { liveOf } from '../../../../shared/model/shipState.ts'
import { type Outbound, post } from '../outbound/post.ts'
import type { Advice } from './policies.ts'

export type Reviewer = Omit<Outbound, 'limitMs'> & { limitMs?: number }

const faultLength = 120

const Review = z.object({
  response: z.object({
    uid: z.string().optional(),
    scale: z.boolean().default(false),
    replicas: z.int().min(0).max(1_000_000).default(0),
  }),
})

/** Never throws. */
export async function review(
  url: string,
  fleet: ScaledFleet,
  { limitMs = 5_000, ...outbound }: Reviewer,
  signal: AbortSignal,
): Promise<Advice> {
  const uid = randomUUID()
  const body = JSON.stringify({ request: requestOf(uid, fleet), response: null })
  const answer = await post({ url, body }, { ...outbound, limitMs }, signal)
  if ('fault' in answer) return { fault: answer.fault.slice(0, faultLength) }
  if (answer.status !== 200) return { fault: `HTTP ${answer.status}` }
  if (answer.unread) return { fault: answer.unread.slice(0, faultLength) }
  const response = responseIn(answer.text)
  if (!response) return { fault: 'its answer is no FleetAutoscaleReview with a response' }
  if (response.uid !== undefined && response.uid !== uid) return { fault: 'it answers another question' }
  return { replicas: response.scale ? response.replicas : null }
}

function responseIn(text: string): z.infer<typeof Review>['response'] | undefined {
  try {
    return Review.safeParse(JSON.parse(text)).data?.response
  } catch {
    return undefined
  }
}

function requestOf(uid: string, { name, labels, ships, totals }: ScaledFleet) {
  return {
    ...{ uid, name, namespace: 'default', labels, annotations: {} },
    status: {
      // As in Agones those that there are, and not those that it is to have.
      replicas: liveOf(ships),
      readyReplicas: ships.Ready ?? 0,
      reservedReplicas: ships.Reserved ?? 0,
      allocatedReplicas: ships.Allocated ?? 0,
      ...totals,
    },
  }
}
