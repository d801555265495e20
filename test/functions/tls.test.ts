// HTTPS: who trusts the certificate is served, old protocols are not, and a new certificate needs no restart.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { Hono } from 'hono'
import { suite } from 'uvu'
import { Certificate } from '../../functions/certificate.ts'
import { HttpServer } from '../../functions/httpServer.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { createLog, type Log } from '../../shared/log.ts'
import { reasonOf, until } from '../harness/until.ts'

const test = suite('tls')
let scratch: Scratch
let files: { cert: string; key: string }
let server: HttpServer
let certificate: Certificate
const ended = new AbortController()
const lines: string[] = []
const note = (_: object, message: string) => void lines.push(message)
const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log }

/** A self-made certificate for 127.0.0.1, into the files. */
function make(name: string, { cert, key } = files): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  })
}

function open(options: object = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    socket.once('secureConnect', () => resolve(socket)).once('error', reject)
  })
}

async function nameShown(): Promise<string | undefined> {
  const socket = await open()
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN?.toString()
}

test.before(async () => {
  scratch = await scratchDir()
  files = { cert: join(scratch.dir, 'cert.pem'), key: join(scratch.dir, 'key.pem') }
  make('first')
  certificate = new Certificate(files, log)
  certificate.follow(ended.signal, 100)
  const app = new Hono()
  app.get('/', (c) => c.text(c.req.url))
  server = await HttpServer.start({ fetch: app.fetch, host: '127.0.0.1', port: 0, certificate, log })
})

test.after(async () => {
  ended.abort()
  await server.stop({ delayMs: 0, limitMs: 0, onClosed: () => undefined })
  await scratch.remove()
})

test('a client that knows the authority is served; one that does not refuses', async () => {
  const url = `https://127.0.0.1:${server.port}/`
  const ask = `fetch(${JSON.stringify(url)}).then((a) => a.text()).then(console.log, (e) => console.log(e.cause.code))`
  const asked = async (more: NodeJS.ProcessEnv) => {
    const env = { ...process.env, ...more }
    return (await promisify(execFile)(process.execPath, ['-e', ask], { env })).stdout.trim()
  }
  assert.equal(await asked({ NODE_EXTRA_CA_CERTS: files.cert }), url)
  assert.match(await asked({}), /SELF_SIGNED/)
})

test('TLS 1.2 and newer only, and no plain HTTP', async () => {
  const old = await reasonOf(
    open({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  )
  assert.match(String(old), /alert|version|protocol/i)
  const socket = await open({ maxVersion: 'TLSv1.2' })
  assert.equal(socket.getProtocol(), 'TLSv1.2')
  socket.destroy()
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/`))
})

test('a new certificate is shown to newcomers; who is connected goes on', async () => {
  assert.equal(await nameShown(), 'first')
  const kept = await open()
  make('second')
  await until(async () => (await nameShown()) === 'second')
  kept.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [data] = await new Promise<[Buffer]>((resolve) => kept.once('data', (bytes) => resolve([bytes])))
  assert.match(data.toString(), /^HTTP\/1\.1 200/)
  kept.destroy()
})

test('a certificate that cannot be used changes nothing and is told of', async () => {
  const before = await nameShown()
  const other = { cert: join(scratch.dir, 'other.pem'), key: join(scratch.dir, 'other-key.pem') }
  make('other', other)
  lines.length = 0
  copyFileSync(other.cert, files.cert)
  await until(() => lines.some((line) => /cannot be used/.test(line)))
  assert.equal(await nameShown(), before)
  rmSync(files.key)
  certificate.reload()
  await until(() => lines.filter((line) => /cannot be used/.test(line)).length > 1)
  assert.equal(await nameShown(), before)
  copyFileSync(other.key, files.key)
  await until(async () => (await nameShown()) === 'other')
})

test('files that do not belong together keep it from starting', () => {
  writeFileSync(files.key, 'no key')
  assert.throws(() => new Certificate(files, createLog('test', 'silent')))
})

test.run()
