// Requests over Node's own HTTP: connections that are kept, answers that break off, requests that are ended.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../shared/api/client.ts'
import { asker, textOf } from '../../shared/api/exchange.ts'
import { ArmadaError } from '../../shared/errors.ts'

const test = suite('shared: exchange')
const { signal } = new AbortController()
let server: Server
let url = ''
let connections = 0
let answer: (request: IncomingMessage, response: ServerResponse) => void

test.before(async () => {
  server = createServer((request, response) => answer(request, response))
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
test.after(() => {
  server.close()
  server.closeAllConnections()
})
test.before.each(() => {
  connections = 0
})

test('one connection carries request after request, of every method, with its body', async () => {
  answer = async (request, response) => {
    let text = ''
    for await (const part of request) text += part
    response.end(`${request.method} ${request.headers['content-length']} ${text}`)
  }
  const ask = asker(url)
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const body = '{"name":"ö"}'
    assert.is(await textOf(await ask(url, { method, body, signal })), `${method} 13 ${body}`)
  }
  assert.is(await textOf(await ask(url, { signal })), 'GET undefined ')
  assert.is(connections, 1)
})

test('a body that breaks off is an error, and the next request has another connection', async () => {
  answer = ({ socket }, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => socket.destroy())
  }
  const ask = asker(url)
  const broken = await ask(url, { signal })
  await textOf(broken).then(
    () => assert.unreachable(),
    (error: NodeJS.ErrnoException) => assert.is(error.code, 'ECONNRESET'),
  )
  answer = (_, response) => void response.end('whole')
  assert.is(await textOf(await ask(url, { signal })), 'whole')
  assert.is(connections, 2)
})

test('a client says how long it waited, for an answer as for the rest of one', async () => {
  const client = connect({ url, limitMs: 100 })
  for (const begins of [false, true]) {
    answer = (_, response) => {
      if (begins) response.writeHead(200, { 'content-length': '100' }).write('{')
    }
    const asked = client.v1.fleets.$get({ query: {} })
    const reason = await asked.catch((error: Error) => error.message)
    assert.is(reason, 'no answer within 100 ms')
  }
})

test('nobody listens: the error says so', async () => {
  const asked = asker('http://127.0.0.1:1')('http://127.0.0.1:1', { signal })
  const error = await asked.catch((cause: unknown) => cause)
  assert.instance(error, Error)
  assert.not.instance(error, ArmadaError)
  assert.match((error as Error).message, 'ECONNREFUSED')
})

test.run()
