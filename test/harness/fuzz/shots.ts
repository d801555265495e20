// Requests made from the API's own document: right ones, ones with something wrong, hostile ones, of all callers.
import fc, { type Arbitrary } from 'fast-check'
import type { Document, Operation, Parameter } from '../../../functions/docs/document.ts'
import { fitting, spoiled } from './values.ts'

/** right: fits the schema and comes from who may. wrong: one thing does not fit. hostile: made to break something. */
export const kinds = ['right', 'wrong', 'hostile', 'stranger'] as const
export type Kind = (typeof kinds)[number]

export const callers = [
  ...(['nobody', 'impostor', 'viewer', 'allocator', 'operator', 'admin'] as const),
  ...(['runner', 'host', 'scraper'] as const),
] as const
export type CallerName = (typeof callers)[number]

/** A part of a path that is sent just so. */
export class Raw {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export interface Target {
  method: string
  path: string
  operation: Operation
}

export interface Shot {
  kind: Kind
  target: Target
  /** Whether the answer must be one that the target documents: its path and method are as declared. */
  onTarget: boolean
  method: string
  path: readonly unknown[]
  query: readonly (readonly [string, unknown])[]
  headers: Readonly<Record<string, unknown>>
  caller: CallerName
  body: { json: unknown } | { raw: string | Uint8Array } | undefined
}

export function targetsOf(document: Document): Target[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

export function shotsAt(target: Target, document: Document, kind: Kind): Arbitrary<Shot> {
  const { operation, method } = target
  const parameters = operation.parameters ?? []
  const named = (place: string) => parameters.filter((one) => one.in === place)
  const value = ({ name, schema = {} }: Parameter) => fitting(schema, document, name)
  const record = (some: Parameter[], broken: boolean) =>
    fc
      .record(Object.fromEntries(some.map((one) => [one.name, value(one)])), {
        requiredKeys: some.filter((one) => one.required).map((one) => one.name),
      })
      .chain((whole) => (broken ? (spoiled(fc.constant(whole)) as Arbitrary<object>) : fc.constant(whole)))
  const schema = operation.requestBody?.content['application/json']?.schema
  const json = schema ? fitting(schema, document) : undefined
  const wrongPlace = kind === 'wrong' ? fc.constantFrom('body', 'query', 'path') : fc.constant('')
  const right = wrongPlace.chain((place) =>
    fc.record({
      path: fc.tuple(...segments(target, place === 'path', (name) => value(paramNamed(parameters, name)))),
      query: record(named('query'), place === 'query').map((all) => Object.entries(all)),
      headers: record(named('header'), false).chain((own) =>
        usualHeaders(method).map((more) => ({ ...more, ...own })),
      ),
      body: json
        ? (place === 'body' ? spoiled(json) : json).map((one) => ({ json: one }))
        : fc.constant(undefined),
      caller: kind === 'stranger' ? fc.constantFrom(...callers) : callerOf(operation),
    }),
  )
  const shot = right.map((parts): Shot => ({ kind, target, onTarget: true, method, ...parts }))
  return kind === 'hostile' ? shot.chain(hostile) : shot
}

function paramNamed(parameters: readonly Parameter[], name: string): Parameter {
  return parameters.find((one) => one.in === 'path' && one.name === name) ?? { name, in: 'path' }
}

function segments(
  { path }: Target,
  broken: boolean,
  of: (name: string) => Arbitrary<unknown>,
): Arbitrary<unknown>[] {
  return path
    .split('/')
    .slice(1)
    .map((segment) => {
      const name = /^\{(.+)\}$/.exec(segment)?.[1]
      if (name === undefined) return fc.constant(segment)
      return broken
        ? fc.constantFrom('A', '-x', 'x'.repeat(300), 'a b', 'ä', 'a.b', 'nobody-knows-it')
        : of(name)
    })
}

function callerOf({ 'x-roles': roles = [] }: Operation): Arbitrary<CallerName> {
  const able = callers.filter((caller) => roles.includes(caller))
  return able.length > 0 ? fc.constantFrom(...able) : fc.constant('nobody' as const)
}

/** Headers that every route takes, or that every POST does. */
function usualHeaders(method: string): Arbitrary<Record<string, unknown>> {
  const sometimes = <T>(one: Arbitrary<T>) => fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, one)
  return fc
    .record({
      'idempotency-key':
        method === 'POST' ? sometimes(fc.nat(500).map((n) => `key-${n}`)) : fc.constant(null),
      'x-armada-min-revision': sometimes(fc.nat(400).map(String)),
      'x-request-id': sometimes(fc.constantFrom('mine', 'a b', 'x'.repeat(500))),
    })
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)))
}

const deep = 5_000
const rawBodies: readonly (string | Uint8Array)[] = [
  ...['', '{', 'null', '[]', '"text"', '0', '{"a":1}{"b":2}', '\ufeff{}', '{"a":1e999}', '{"\\ud800":1}'],
  ...['[', '{"a":'].map((open) => open.repeat(deep)),
  `${'['.repeat(deep)}${']'.repeat(deep)}`,
  '{"__proto__":{"admin":true},"constructor":{"prototype":{}}}',
  '{"name":"a","name":"b","blueprint":"arena","count":1,"count":1000}',
  `{"a":"${'x'.repeat(100_000)}"}`,
  'x'.repeat(2_200_000),
  Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
]
const badSegments = [
  '..',
  '.',
  '%2e%2e',
  '%2e%2e%2f',
  '%00',
  '%ff',
  '%',
  'a%2fb',
  ';a=b',
  '*',
  '{ship}',
  '%F0%9F%9A%A2',
]
const badHeaders: readonly (readonly [string, string])[] = [
  ['content-type', 'text/plain'],
  ['content-type', 'application/json; charset=utf-16'],
  ['content-type', 'multipart/form-data; boundary=x'],
  ['content-encoding', 'gzip'],
  ['accept', 'text/html;q=9'],
  ['if-match', '"'.repeat(60)],
  ['idempotency-key', 'x'.repeat(129)],
  ['x-armada-min-revision', '-1'],
  ['x-armada-min-revision', '9'.repeat(16)],
  ['traceparent', '00-zz'],
  ['x-forwarded-for', '1.2.3.4, evil'],
  ['x-http-method-override', 'DELETE'],
  ['authorization', 'Basic YWRtaW46YWRtaW4='],
  ['authorization', `Bearer ${'x'.repeat(4_000)}`],
  ['cookie', 'a=b'],
  ['range', 'bytes=0-1'],
]

function hostile(shot: Shot): Arbitrary<Shot> {
  const body = fc.constantFrom(...rawBodies).map((raw): Shot => ({ ...shot, body: { raw } }))
  const segment = fc.tuple(fc.constantFrom(...badSegments), fc.nat(10)).map(([bad, at]): Shot => {
    const path = shot.path.map((one, i) => (i === at % shot.path.length ? new Raw(bad) : one))
    return { ...shot, path, onTarget: false }
  })
  const method = fc
    .constantFrom('HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'POST', 'PROPFIND')
    .map((method): Shot => ({ ...shot, method, onTarget: false }))
  const header = fc
    .constantFrom(...badHeaders)
    .map(([name, value]): Shot => ({ ...shot, headers: { ...shot.headers, [name]: value } }))
  const query = fc
    .constantFrom<[string, string]>(
      ...([
        ['consistent', 'true'],
        ['consistent', 'maybe'],
        ['cursor', 'AAAAAAAAAAAAAAAA'],
        ['cursor', '..'],
        ['limit', '1e3'],
        ['limit', '0x10'],
        ['labelSelector', 'a in ('],
        ['labelSelector', Array.from({ length: 40 }, () => 'a').join(',')],
        ['fieldSelector', 'nothing=1'],
        ['fieldSelector', 'attempt>abc'],
        ['__proto__', '1'],
        ['x'.repeat(3_000), 'y'],
      ] as [string, string][]),
    )
    .map((pair): Shot => ({ ...shot, query: [...shot.query, pair] }))
  return fc.oneof(...(shot.body ? [body, body] : []), segment, method, header, query)
}
