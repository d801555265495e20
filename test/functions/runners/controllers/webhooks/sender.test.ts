// Sending to real receivers: signed, pinned to checked addresses, limited in time and size.
import assert from 'node:assert/strict'
import { Webhook as Verifier } from 'standardwebhooks'
import { suite } from 'uvu'
import { Sender, type SenderOptions } from '../../../../../functions/runners/controllers/webhooks/sender.ts'
import { AddressGuard } from '../../../../../shared/addressGuard.ts'
import { newWebhookSecret } from '../../../../../shared/webhookSignature.ts'
import { Receiver } from '../../../../harness/receiver.ts'

const test = suite('sender')
const guard = new AddressGuard('127.0.0.0/8')
const secret = newWebhookSecret()
const body = JSON.stringify({ type: 'ship.ready', timestamp: '2026-11-02T18:04:07.812Z', data: { n: 1 } })
const never = new AbortController().signal
const opened: { stop(): Promise<void> }[] = []

async function receiver(respond?: Receiver['respond']): Promise<Receiver> {
  const started = await Receiver.start(respond)
  opened.push(started)
  return started
}

function sender(options: Partial<SenderOptions> = {}): Sender {
  const made = new Sender({ guard, limitMs: 5_000, ...options })
  opened.push({ stop: () => made.close() })
  return made
}

const send = (by: Sender, url: string) => by.send({ url, id: '4711-0', body, secrets: [secret] }, never)
const reasonIn = (outcome: Awaited<ReturnType<typeof send>>) => ('reason' in outcome ? outcome.reason : '')

test.after(async () => {
  for (const one of opened) await one.stop()
})

test('a message arrives whole, and another implementation verifies it', async () => {
  const to = await receiver()
  assert.deepEqual(await send(sender(), `${to.url}?key=1`), { is: 'delivered' })
  const [got] = to.received
  assert.equal(got?.path, '/hook?key=1')
  assert.equal(got?.headers['content-type'], 'application/json')
  assert.deepEqual(new Verifier(secret).verify(got?.body ?? '', got?.headers ?? {}), JSON.parse(body))
})

test('connections are kept', async () => {
  const to = await receiver((_, response) => response.end('thanks'))
  const by = sender()
  for (let i = 0; i < 5; i++) assert.equal((await send(by, to.url)).is, 'delivered')
  assert.ok(to.connections <= 2, `${to.connections} connections`)
})

test('addresses that are not allowed are refused without a connection', async () => {
  const to = await receiver()
  const strict = sender({ guard: new AddressGuard('10.0.0.0/8') })
  assert.match(reasonIn(await send(strict, to.url)), /127\.0\.0\.1 is not a public address \(loopback\)/)
  assert.match(
    reasonIn(await send(strict, `http://localhost:${to.port}/`)),
    /localhost leads to (127\.0\.0\.1|::1)/,
  )
  assert.match(reasonIn(await send(strict, `https://localhost:${to.port}/`)), /localhost leads to/)
  assert.equal(to.connections, 0)
})

test('a name is judged at each connection, by all its addresses', async () => {
  const to = await receiver((_, response) => response.writeHead(204, { connection: 'close' }).end())
  const answers = [['127.0.0.1'], ['127.0.0.1', '10.0.0.7'], ['169.254.169.254'], []]
  let asked = 0
  const resolve = async () => (answers[asked++] ?? []).map((address) => ({ address, family: 4 }))
  const by = sender({ resolve })
  const url = `http://rebinding.example:${to.port}/`
  assert.deepEqual(await send(by, url), { is: 'delivered' })
  assert.match(reasonIn(await send(by, url)), /leads to 10\.0\.0\.7/)
  assert.match(reasonIn(await send(by, url)), /leads to 169\.254\.169\.254/)
  assert.match(reasonIn(await send(by, url)), /has no address/)
  assert.equal(asked, 4, 'each connection asks once')
  assert.equal(to.received.length, 1)
})

test('plain http to a public address is refused', async () => {
  const by = sender({ resolve: async () => [{ address: '93.184.215.14', family: 4 }] })
  assert.match(reasonIn(await send(by, 'http://public.example/')), /only https is allowed/)
})

test('redirects are not followed', async () => {
  const target = await receiver()
  const to = await receiver((_, response) => response.writeHead(307, { location: target.url }).end())
  assert.match(reasonIn(await send(sender(), to.url)), /HTTP 307: redirects are not followed/)
  assert.equal(target.connections, 0)
})

test('an endless answer is cut off, and its status counts', async () => {
  let sent = 0
  let closed = false
  const to = await receiver((_, response) => {
    response.writeHead(200)
    const pour = () => {
      sent += 8_192
      if (!closed) response.write('x'.repeat(8_192), () => setImmediate(pour))
    }
    response.on('close', () => {
      closed = true
    })
    pour()
  })
  assert.deepEqual(await send(sender(), to.url), { is: 'delivered' })
  for (let i = 0; i < 500 && !closed; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(closed, `still open after ${sent} bytes`)
})

test('a receiver that does not answer, or trickles its headers, is given up in time', async () => {
  const silent = await receiver(() => undefined)
  const by = sender({ limitMs: 300 })
  assert.equal(reasonIn(await send(by, silent.url)), 'no answer within 300 ms')
  const trickling = await receiver((_, response) => {
    const timer = setInterval(() => response.socket?.write('x'), 50)
    response.socket?.write('HTTP/1.1 200 OK\r\nx-slow: ')
    response.socket?.on('close', () => clearInterval(timer))
  })
  assert.equal(reasonIn(await send(by, trickling.url)), 'no answer within 300 ms')
})

test('a body that never ends does not hold a delivery that was accepted', async () => {
  const to = await receiver((_, response) => response.writeHead(200, { 'content-length': '100' }).write('x'))
  assert.deepEqual(await send(sender({ limitMs: 300 }), to.url), { is: 'delivered' })
})

test('what is no HTTP, or nobody listening, is a failure with a reason', async () => {
  const to = await receiver((_, response) => response.socket?.end('220 mail.example ESMTP\r\n'))
  assert.ok(reasonIn(await send(sender(), to.url)).length > 0)
  const gone = await Receiver.start()
  const { url } = gone
  await gone.stop()
  assert.match(reasonIn(await send(sender(), url)), /ECONNREFUSED/)
  assert.match(reasonIn(await send(sender(), `https://127.0.0.1:${to.port}/`)), /./)
})

test('proxies of the environment are not used', async () => {
  const [to, proxy] = [await receiver(), await receiver()]
  process.env.http_proxy = process.env.HTTP_PROXY = proxy.url
  const outcome = await send(sender(), to.url)
  delete process.env.http_proxy
  delete process.env.HTTP_PROXY
  assert.equal(outcome.is, 'delivered')
  assert.equal(proxy.connections, 0)
})

test.run()
