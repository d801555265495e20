// The SDK's methods, one table for gRPC and REST: what each takes, does and gives. Streams stand in their own rooms.
import type { ShipSelf, Word } from '../../shared/model/word.ts'
import { messageIn, pairOf, textOf, textsOf, wholeOf } from './fields.ts'
import { counterOf, gameServerOf, listOf } from './gameServer.ts'
import type { Message, Method, Run } from './method.ts'
import { playerMethods } from './playerMethods.ts'
import { SdkError } from './sdkError.ts'

const sdk = 'agones.dev.sdk.SDK'
const beta = 'agones.dev.sdk.beta.SDK'
const named = (body: Message, name: string): Message => ({ ...body, name })

const saying =
  (wordOf: (request: Message) => Word): Run =>
  async ({ line }, request) => {
    await line.say(wordOf(request))
    return {}
  }

export const methods: readonly Method[] = [
  { service: sdk, name: 'Ready', verb: 'POST', path: /^\/ready$/, run: saying(() => ({ say: 'ready' })) },
  {
    ...{ service: sdk, name: 'Allocate', verb: 'POST', path: /^\/allocate$/ },
    run: saying(() => ({ say: 'allocate' })),
  },
  {
    ...{ service: sdk, name: 'Shutdown', verb: 'POST', path: /^\/shutdown$/ },
    run: saying(() => ({ say: 'shutdown' })),
  },
  {
    ...{ service: sdk, name: 'Reserve', verb: 'POST', path: /^\/reserve$/ },
    run: saying(({ seconds }) => {
      const wanted = wholeOf(seconds, 'seconds') ?? 0
      if (wanted < 0 || wanted > 31_536_000) {
        throw new SdkError('INVALID_ARGUMENT', 'seconds must be between 0 and 31536000')
      }
      return { say: 'reserve', seconds: wanted }
    }),
  },
  {
    ...{ service: sdk, name: 'SetLabel', verb: 'PUT', path: /^\/metadata\/label$/ },
    run: saying(({ key, value }) => ({ say: 'label', ...pairOf(key, value, 63) })),
  },
  {
    ...{ service: sdk, name: 'SetAnnotation', verb: 'PUT', path: /^\/metadata\/annotation$/ },
    run: saying(({ key, value }) => ({ say: 'annotation', ...pairOf(key, value, 4_096) })),
  },
  {
    ...{ service: sdk, name: 'GetGameServer', verb: 'GET', path: /^\/gameserver$/ },
    run: async ({ line, probe }) => gameServerOf(await line.self(), probe),
  },
  {
    ...{ service: beta, name: 'GetCounter', verb: 'GET', path: /^\/v1beta1\/counters\/([^/:]+)$/ },
    request: named,
    run: async ({ line }, { name }) => counterIn(await line.self(), textOf(name, 'name', 63)),
  },
  {
    ...{ service: beta, name: 'UpdateCounter', verb: 'PATCH', path: /^\/v1beta1\/counters\/([^/:]+)$/ },
    request: (body, name) => ({ counterUpdateRequest: { ...body, name } }),
    run: async ({ line }, { counterUpdateRequest }) => {
      const asked = messageIn(counterUpdateRequest)
      const name = textOf(asked.name, 'name', 63)
      const count = wholeOf(asked.count, 'count')
      const capacity = wholeOf(asked.capacity, 'capacity')
      const add = wholeOf(asked.countDiff, 'countDiff') || undefined
      if (count === undefined && capacity === undefined && add === undefined) {
        throw new SdkError('INVALID_ARGUMENT', 'one of count, capacity and countDiff is needed')
      }
      const changes = {
        ...(count !== undefined && { count }),
        ...(capacity !== undefined && { capacity }),
        ...(add !== undefined && { add }),
      }
      return counterIn(await line.say({ say: 'counter', name, ...changes }), name)
    },
  },
  {
    ...{ service: beta, name: 'GetList', verb: 'GET', path: /^\/v1beta1\/lists\/([^/:]+)$/ },
    request: named,
    run: async ({ line }, { name }) => listIn(await line.self(), textOf(name, 'name', 63)),
  },
  {
    ...{ service: beta, name: 'UpdateList', verb: 'PATCH', path: /^\/v1beta1\/lists\/([^/:]+)$/ },
    // As gRPC's gateway has it: what stands in the body is what is to be changed.
    request: (body, name) => ({ list: { ...body, name }, update_mask: { paths: Object.keys(body) } }),
    run: async ({ line }, { list, update_mask }) => {
      const asked = messageIn(list)
      const { paths } = messageIn(update_mask)
      const mask = Array.isArray(paths) ? paths : []
      const unknown = mask.find((path) => !['capacity', 'values', 'name'].includes(path))
      if (unknown !== undefined) {
        throw new SdkError('INVALID_ARGUMENT', `a list has no field "${unknown}"`)
      }
      const name = textOf(asked.name, 'name', 63)
      // Without a mask it is the capacity, as Agones' own clients want it.
      const capacity =
        mask.includes('capacity') || !mask.includes('values')
          ? { capacity: wholeOf(asked.capacity, 'capacity') ?? 0 }
          : {}
      const values = mask.includes('values') ? { values: textsOf(asked.values) } : {}
      return listIn(await line.say({ say: 'list', name, ...capacity, ...values }), name)
    },
  },
  {
    ...{ service: beta, name: 'AddListValue', verb: 'POST', path: /^\/v1beta1\/lists\/([^/:]+):addValue$/ },
    request: named,
    run: listChange('append'),
  },
  {
    ...{
      service: beta,
      name: 'RemoveListValue',
      verb: 'POST',
      path: /^\/v1beta1\/lists\/([^/:]+):removeValue$/,
    },
    request: named,
    run: listChange('remove'),
  },
  ...playerMethods,
]

function listChange(say: 'append' | 'remove'): Run {
  return async ({ line }, request) => {
    const name = textOf(request.name, 'name', 63)
    return listIn(await line.say({ say, name, value: textOf(request.value, 'value', 256) }), name)
  }
}

function counterIn({ counters }: ShipSelf, name: string): Message {
  const counter = Object.hasOwn(counters, name) ? counters[name] : undefined
  if (counter) return { name, ...counterOf(counter) }
  throw new SdkError(
    'NOT_FOUND',
    `there is no counter "${name}"; declare it as \`counters\` in the blueprint`,
  )
}

function listIn({ lists }: ShipSelf, name: string): Message {
  const list = Object.hasOwn(lists, name) ? lists[name] : undefined
  if (list) return { name, ...listOf(list) }
  throw new SdkError('NOT_FOUND', `there is no list "${name}"; declare it as \`lists\` in the blueprint`)
}
