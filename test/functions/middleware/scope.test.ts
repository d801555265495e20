// What a fleet-limited token sees: patterns of fleet names, and what lies outside them.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { suite } from 'uvu'
import { assertMayName, assertUnlimited, seesFleet } from '../../../functions/middleware/scope.ts'
import { FleetPattern, fits, type Token } from '../../../shared/model/token.ts'

const test = suite('scope')

function limitedTo(...fleets: string[]) {
  const createdAt = new Date().toISOString()
  const token: Token = {
    ...{ name: 'one', role: 'viewer', fleets, expiresAt: null, rate: null, quota: null, createdAt },
  }
  return { token }
}

test('a star stands for any characters, and for none', () => {
  for (const [pattern, ...names] of [
    ['lobby', 'lobby'],
    ['lobby-*', 'lobby-eu', 'lobby-', 'lobby-eu-1'],
    ['*', 'lobby', 'x'],
    ['*-eu', 'lobby-eu', 'a-eu-eu'],
    ['a*b*c', 'abc', 'axxbyyc', 'abbcc'],
  ] as const)
    for (const name of names) assert.ok(fits(pattern, name), `${pattern} ${name}`)
  for (const [pattern, ...names] of [
    ['lobby', 'lobby-eu', 'lobb', 'xlobby'],
    ['lobby-*', 'lobby', 'xlobby-eu'],
    ['a*b*c', 'acb', 'ab', 'abcd'],
  ] as const)
    for (const name of names) assert.ok(!fits(pattern, name), `${pattern} ${name}`)
})

test('it is as the regular expression that it stands for', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 12 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '-', '*'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, letters, (glob, name) => {
      assert.equal(fits(glob, name), new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(name))
    }),
    { numRuns: 20_000 },
  )
})

test('a pattern of many stars is decided at once', () => {
  const pattern = 'a*'.repeat(31)
  assert.ok(FleetPattern.safeParse(pattern).success)
  assert.equal(fits(`${pattern}b`, 'a'.repeat(54)), false)
})

test('a limited token sees its fleets and nothing else; any other caller sees everything', () => {
  const caller = limitedTo('lobby-*', 'duel')
  assert.ok(seesFleet(caller, 'lobby-eu') && seesFleet(caller, 'duel'))
  assert.ok(!seesFleet(caller, 'arena') && !seesFleet(caller, null))
  assert.ok(!seesFleet(limitedTo('*'), null))
  assert.ok(seesFleet({}, null) && seesFleet({}, 'arena'))
  assert.throws(() => assertMayName(caller, 'arena'), /limited to the fleets lobby-\*, duel; "arena"/)
  assert.throws(() => assertUnlimited(caller), /without such a limit/)
  assertUnlimited({})
})

test.run()
