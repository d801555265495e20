// The SDK's methods, one table for gRPC and REST: what each takes, does and gives. Streams stand in their own rooms.
import type { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { ShipSelf, Word } from '../../shared/model/word.ts'
import { counterOf, gameServerOf, listOf } from './gameServer.ts'
import type { Line } from './line.ts'
import { SdkError } from './sdkError.ts'

/** What the methods work on: one ship. */
export interface Speaker {
  readonly line: Line
  readonly probe: BlueprintSpec['probe']
}

/** A message in the JSON of protobuf, with the names of the protocol. */
export type Message = Readonly<Record<string, unknown>>
type Run = (speaker: Speaker, request: Message) => Promise<Message>

export interface Method {
  readonly service: 'agones.dev.sdk.SDK' | 'agones.dev.sdk.beta.SDK'
  readonly name: string
  readonly verb: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** Its group, if it has one, is the name that the request is about. */
  readonly path: RegExp
  /** From what REST sends to the request of gRPC; default: it is the same. */
  readonly request?: (body: Message, name: string) => Message
  readonly run: Run
}

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
        mask.includes('capacity') || !mask.includes('values') ? { capacity: amountIn(asked) } : {}
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

function messageIn(value: unknown): Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : {}
}

/** A number, its text as JSON has it, or protobuf's wrapper of one; undefined when it is not there. */
function wholeOf(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined
  // A wrapper of 0 comes empty.
  if (typeof value === 'object') return wholeOf('value' in value ? value.value : 0, field)
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number
  throw new SdkError('INVALID_ARGUMENT', `${field} must be a whole number`)
}

function amountIn(list: Message): number {
  return wholeOf(list.capacity, 'capacity') ?? 0
}

function textOf(value: unknown, field: string, most: number): string {
  if (typeof value === 'string' && value.length <= most) return value
  throw new SdkError('INVALID_ARGUMENT', `${field} must be text of at most ${most} characters`)
}

function textsOf(values: unknown): string[] {
  if (values === undefined || values === null) return []
  if (!Array.isArray(values) || values.length > 1_000) {
    throw new SdkError('INVALID_ARGUMENT', 'values must be a list of at most 1000 texts')
  }
  return values.map((value) => textOf(value, 'values', 256))
}

function pairOf(key: unknown, value: unknown, most: number): { key: string; value: string } {
  return { key: textOf(key, 'key', 48), value: textOf(value ?? '', 'value', most) }
}
