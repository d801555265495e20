// Strict JSON: the same as JSON.parse for all that is sound, and a refusal that says why for all that is not.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { suite } from 'uvu'
import { strictJson } from '../../functions/middleware/strictJson.ts'
import { ArmadaError } from '../../shared/errors.ts'

const test = suite('strictJson')

function refuses(text: string, why: RegExp): void {
  assert.throws(
    () => strictJson(text),
    (error) => error instanceof ArmadaError && error.code === 'malformed_json' && why.test(error.message),
    text.slice(0, 100),
  )
}

test('gives what JSON.parse gives', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(undefined, 1, '\t'), (text, space) => {
      const value: unknown = JSON.parse(text)
      if (text.includes('__proto__')) return
      assert.deepEqual(strictJson(JSON.stringify(value, null, space)), value)
    }),
    { numRuns: 2_000 },
  )
})

test('refuses what JSON.parse refuses, whatever the text', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    '\\"',
    '"a"',
    '"b"',
    '1',
    'null',
    ' ',
    '\n',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('')
      let value: unknown
      try {
        value = JSON.parse(text)
      } catch {
        return refuses(text, /./)
      }
      // Sound, or a key comes twice: then it says so.
      try {
        assert.deepEqual(strictJson(text), value)
      } catch (error) {
        assert.match(String(error), /comes twice/)
      }
    }),
    { numRuns: 5_000 },
  )
})

test('finds every key that comes twice, wherever it stands and however it is written', () => {
  const key = fc.string({ maxLength: 5, unit: 'binary' }).filter((name) => name !== '__proto__')
  const other = fc.dictionary(key, fc.json({ maxDepth: 2 }), { maxKeys: 5, noNullPrototype: true })
  const path = fc.array(fc.oneof(key, fc.nat(3)), { maxLength: 6 })
  fc.assert(
    fc.property(key, other, path, fc.boolean(), (name, rest, place, spelt) => {
      const escaped = [...Array(name.length).keys()].map(
        (i) => `\\u${name.charCodeAt(i).toString(16).padStart(4, '0')}`,
      )
      const members = Object.entries(rest)
        .filter(([one]) => one !== name)
        .map(([one, value]) => `${JSON.stringify(one)}:${JSON.stringify(value)}`)
      const twin = spelt ? `"${escaped.join('')}"` : JSON.stringify(name)
      let text = `{${[`${JSON.stringify(name)}:1`, ...members, `${twin} : [2]`].join(',')}}`
      for (const step of place.toReversed())
        text =
          typeof step === 'number'
            ? `[${'0,'.repeat(step)}${text}]`
            : `{"x":"a\\"b{","y${step.length}":[{}],${JSON.stringify(`z${step}`)}:${text}}`
      const pointer = place.map((step) => (typeof step === 'number' ? `/${step}` : `/z${step}`)).join('')
      assert.throws(
        () => strictJson(text),
        ({ message }: Error) =>
          message.startsWith(`The key ${JSON.stringify(name)} comes twice${pointer && ` in ${pointer}`}, at`),
      )
    }),
    { numRuns: 1_000 },
  )
})

test('says where', () => {
  refuses('{"a":1,"b":{"c":[0,{"d":1,"d":2}]}}', /^The key "d" comes twice in \/b\/c\/1, at position 26\. /)
  refuses('{"a":1,"a":1}', /^The key "a" comes twice, at position 7\. /)
})

test('refuses keys that reach a prototype', () => {
  refuses('{"labels":{"__proto__":{"admin":true}}}', /__proto__/)
  refuses('{"labels":{"\\u005f_proto__":1}}', /__proto__/)
  refuses('{"a":[{"constructor":{"prototype":{}}}]}', /constructor\.prototype/)
  assert.deepEqual(strictJson('{"constructor":"a studio"}'), { constructor: 'a studio' })
  assert.deepEqual(strictJson('{"hasOwnProperty":1,"toString":2}'), { hasOwnProperty: 1, toString: 2 })
})

test('refuses what is too deep, too wide or too much', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  assert.doesNotThrow(() => strictJson(nested(32)))
  refuses(nested(33), /more than 32 deep/)
  refuses(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, /more than 32 deep/)
  refuses(`{${Array.from({ length: 101 }, (_, i) => `"k${i}":1`)}}`, /more than 100 keys/)
  refuses(`[${Array(200_002).fill(1)}]`, /more than 200000 values/)
})

test('no body of 2 MB takes long', () => {
  const bytes = 2 * 1024 * 1024
  const bodies: Record<string, string> = {
    'open brackets': '['.repeat(bytes),
    'an open string': `"${'a'.repeat(bytes)}`,
    backslashes: `"${'\\'.repeat(bytes)}`,
    'escaped quotes': `"${'\\"'.repeat(bytes / 2)}"`,
    'many strings': `[${Array(150_000).fill('"\\\\"')}]`,
    'many small objects': `[${Array(150_000).fill('{"a":1}')}]`,
    'one large object': `{${Array.from({ length: 150_000 }, (_, i) => `"${i}":1`)}}`,
    'a key twice at the end': `[${Array(150_000).fill('{"a":1}')},{"a":1,"a":1}]`,
    commas: ','.repeat(bytes),
    spaces: ' '.repeat(bytes),
    'a long number': '1'.repeat(bytes),
  }
  for (const [name, body] of Object.entries(bodies)) {
    const times = [1, 2, 3].map(() => {
      // Its own CPU: by the clock a busy machine would count too.
      const before = process.cpuUsage()
      try {
        strictJson(body)
      } catch {}
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1_000
    })
    const bestMs = Math.min(...times)
    if (process.env.ARMADA_LOG === 'debug') console.log(name, bestMs.toFixed(1))
    assert.ok(bestMs < 250, `${name}: ${bestMs.toFixed(0)} ms`)
  }
})

test.run()
