// The request that matchmakers send all the time, `POST /v1/allocations`: through Hono and zod one took two ApiServers
// 720 µs of CPU together, this way 300.
//
// Only bodies that came in one piece with their headers and that are sound. A matchmaker sends the same few bodies
// again and again: what they mean is kept, by their text.
import { createAllocations } from '../../../shared/api/allocations.ts'
import { IdempotencyKey } from '../../../shared/api/fields.ts'
import type { Log } from '../../../shared/log.ts'
import { AllocationRequest } from '../../../shared/model/allocation.ts'
import { intentionOf } from '../../middleware/idempotency.ts'
import { isJson, textOf } from '../../middleware/json.ts'
import { expected, problemOf } from '../../middleware/problems.ts'
import { strictJson } from '../../middleware/strictJson.ts'
import type { Stores } from '../../stores/stores.ts'
import type { Allocator, Given } from '../allocations/allocator.ts'
import { askOf } from '../allocations.ts'
import type { PlainAnswer, PlainHandler, PlainWay } from './plainWay.ts'

const path = '/v1/allocations'
const unusual = ['x-armada-min-revision', 'content-encoding', 'transfer-encoding']
const mostBytes = 16 * 1_024
const mostKept = 500
const mostKeptLength = 2_048

export function plainAllocation(
  { mirror }: Pick<Stores, 'mirror'>,
  allocator: Allocator,
  way: PlainWay,
  log: Log,
): PlainHandler {
  const roles: ReadonlySet<string> = new Set(createAllocations['x-roles'])
  const kept = new Map<string, AllocationRequest>()

  return (incoming, outgoing, longWay) => {
    const { method, url, headers } = incoming
    if (method !== 'POST' || url !== path || !isJson(headers['content-type'])) return false
    const caller = way.callerOf(incoming, roles, unusual)
    const bytes = Number(headers['content-length'])
    if (!caller || !(bytes <= mostBytes)) return false
    const key = headers['idempotency-key'] as string | undefined
    if (key !== undefined && !IdempotencyKey.safeParse(key).success) return false

    // By then Node has read what came with the headers.
    process.nextTick(() => {
      if (incoming.readableLength < bytes) return longWay()
      const body: Buffer = incoming.read() ?? Buffer.alloc(0)
      const sound = read(body)
      if (!sound || !way.admits(caller)) {
        // Where Hono's server looks for a body that was read before it.
        Object.assign(incoming, { rawBody: body })
        return longWay()
      }
      const { request, text } = sound
      const authorization = headers.authorization as string
      const asked =
        key === undefined ? undefined : intentionOf({ caller, key, authorization, target: path, body: text })
      const answer = way.begin(incoming, outgoing, caller, path)
      allocator
        .take(askOf(request, { caller, asked, isGone: () => outgoing.destroyed }))
        .then((given) => give(answer, given))
        .catch((error) => refuse(answer, error))
    })
    return true
  }

  function give(answer: PlainAnswer, { allocations, replayed }: Given): void {
    const replay = replayed ? { 'idempotency-replayed': 'true' } : {}
    const headers = { ...replay, ...shown(), 'content-type': 'application/json' }
    answer.send(201, headers, JSON.stringify({ allocations }))
  }

  function refuse(answer: PlainAnswer, error: Error): void {
    const { requestId } = answer
    const problem = expected(error, { requestId, path, log })
    const { text, headers } = problemOf(problem, requestId)
    answer.send(problem.status, { ...Object.fromEntries(headers), ...shown() }, text, problem.code)
  }

  function shown() {
    return { 'x-armada-revision': String(mirror.newest) }
  }

  /** What the body asks for; undefined when it is wrong: the long way says how. */
  function read(body: Buffer): { text: string; request: AllocationRequest } | undefined {
    try {
      const text = textOf(body)
      const request = kept.get(text) ?? AllocationRequest.parse(strictJson(text))
      if (text.length <= mostKeptLength) {
        if (kept.size >= mostKept) kept.clear()
        kept.set(text, request)
      }
      return { text, request }
    } catch {
      return undefined
    }
  }
}
