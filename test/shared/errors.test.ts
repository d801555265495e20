// What is said of errors.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { suite } from 'uvu'
import { freePort } from '../../infra/stack/port.ts'
import { messageOf } from '../../shared/errors.ts'

const test = suite('errors')

test('a connection that is refused at all addresses of a host says so', async () => {
  const port = await freePort()
  const lookup = (_host: string, _options: object, found: (error: null, addresses: object[]) => void) =>
    found(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ])
  const socket = connect({ host: 'two.example', port, lookup: lookup as never, autoSelectFamily: true })
  const [error] = await once(socket, 'error')
  assert.ok(error instanceof AggregateError, String(error))
  assert.match(messageOf(error), new RegExp(`ECONNREFUSED 127\\.0\\.0\\.1:${port}`))
})

test('what is no error is said as it is', () => {
  assert.equal(messageOf('gone'), 'gone')
  assert.equal(messageOf(new Error('lost')), 'lost')
})

test.run()
