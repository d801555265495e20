// What people at the command line are told when the API refuses something.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import { adviceOf } from '../../../infra/cli/advice.ts'
import { commands } from '../../../infra/cli/commands.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import { sourceFiles } from '../../harness/sources.ts'

const test = suite('advice')

/** What people have no command for: they are shown the request. */
const withoutCommand = ['GET /openapi.json', 'POST /v1/webhooks/some-name/rotate-secret']

const adviceIn = (detail: string) => adviceOf(new ArmadaError('not_found', detail))

test('every request that an error of the API advises has its command, and all those commands exist', () => {
  const advised = sourceFiles(['functions'])
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line))
    .flatMap((line) => line.replaceAll(/\$\{[^}]+\}/g, 'some-name').match(/\b[A-Z]{3,6} \/[\w/.-]*\w/g) ?? [])
  assert.ok(advised.length >= 15, advised.join(', '))
  for (const request of new Set(advised)) {
    const said = adviceIn(request)
    if (withoutCommand.includes(request)) assert.equal(said, request)
    else
      assert.ok(Object.hasOwn(commands, /^`armada ([\w-]+)/.exec(said)?.[1] ?? ''), `${request} -> ${said}`)
  }
})

test('names stay, longer paths are not taken for shorter ones, options are as they are typed', () => {
  assert.equal(
    adviceIn('There is no blueprint "arena". PUT /v1/blueprints/arena publishes one.'),
    'There is no blueprint "arena". `armada publish arena <file.json>` publishes one.',
  )
  const [drain, force] = ['POST /v1/hosts/fra-1/drain moves them', '?force=true gives them up.']
  assert.equal(adviceIn(`${drain}; ${force}`), '`armada drain fra-1` moves them; `--force` gives them up.')
  assert.equal(adviceIn('GET /v1/secrets/x lists them'), 'GET /v1/secrets/x lists them')
})

test('a token that is not good is told by where it is set, and every mistake by its field', () => {
  assert.match(adviceOf(new ArmadaError('unauthenticated', 'Send it as "Authorization"')), /set ARMADA_TOKEN/)
  const issues = ['a', 'b'].map((path) => ({ path, message: 'is wrong' }))
  const error = new ArmadaError('invalid_request', 'In the body, a: is wrong', { issues })
  assert.equal(adviceOf(error), 'In the body, a: is wrong\n  b: is wrong')
})

test.run()
