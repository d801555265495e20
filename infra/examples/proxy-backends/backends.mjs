// Keeps the list of backends of a game proxy current: the ships of a fleet, written into its configuration as they come and go.
//
// INVARIANTS
// - The file is only ever replaced whole, and only by a list that is complete: as it was before anything broke, or newer.
// - While no ApiServer answers the file stays as it is. It gets empty when an ApiServer says that no ship is there.
import { spawn } from 'node:child_process'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { EventSourceParserStream } from 'eventsource-parser/stream'

/** An ApiServer says something every 10 s. */
const silenceMs = 25_000
const hookMs = 30_000
const gatherMs = Number(process.env.GATHER_MS ?? 200)
const { ARMADA_TOKEN: token, BACKENDS_FILE: file, BACKENDS_HOOK: hook, BACKENDS_PORT: portName } = process.env
const apis = (process.env.ARMADA_API ?? 'http://127.0.0.1:7700').split(',')
const query = process.env.BACKENDS_QUERY ?? 'fleet=lobby&state=Ready'

/** What each proxy wants to read; `{name, address, port}` of each backend, in order of their names. */
const formats = {
  velocity: (backends) => [
    ...backends.map(({ name, address, port }) => `"${name}" = "${address}:${port}"`),
    `try = [${backends.map(({ name }) => `"${name}"`).join(', ')}]`,
  ],
  haproxy: (backends) =>
    backends.map(({ name, address, port }) => `  server ${name} ${address}:${port} check`),
  json: (backends) => [JSON.stringify(backends, null, 2)],
}
const format = formats[process.env.BACKENDS_FORMAT ?? 'velocity']
if (!file || !token || !format) {
  console.error(`Set ARMADA_TOKEN, BACKENDS_FILE, and BACKENDS_FORMAT to ${Object.keys(formats).join(', ')}.`)
  process.exit(2)
}

const begin = '# armada: begin'
const end = '# armada: end'
const ending = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => ending.abort())
/** Ship id -> ship, as far as the last complete list and what came since say. */
let ships
let wake = () => undefined

function backendsOf() {
  return [...ships.values()]
    .flatMap(({ id, name, address, ports }) => {
      const port = ports.find((one) => portName === undefined || one.name === portName)?.hostPort
      if (!address || !port) return []
      return [{ name: name ?? id, address: isIPv6(address) ? `[${address}]` : address, port }]
    })
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

/** The file with these lines between its marks; without marks all of it is ours. */
function textWith(before, lines) {
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  const ours = `${lines.join('\n')}\n`
  if (to < from || (from < 0 && to >= 0))
    throw new Error(`${file} has not both marks, "${begin}" above "${end}"`)
  return from < 0 ? ours : `${before.slice(0, from)}${begin}\n${ours}${before.slice(to)}`
}

/** @returns whether there was something to write. */
async function write() {
  const before = await readFile(file, 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw error
  })
  const text = textWith(before ?? '', format(backendsOf()))
  if (text === before) return false
  const mode = before === undefined ? 0o644 : (await stat(file)).mode
  const next = `${file}.next`
  const handle = await open(next, 'w', mode)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(next, file)
  return true
}

async function runHook() {
  const child = spawn(hook, { shell: true, stdio: 'inherit', timeout: hookMs })
  const [code, signal] = await new Promise((done) => {
    child.once('error', (error) => done([error.message]))
    child.once('exit', (...how) => done(how))
  })
  if (code !== 0) throw new Error(`the hook ended with ${code ?? signal}`)
}

/** Writes what has changed, and what could not be written or told again until it can. */
async function keepFile() {
  // Whoever ran before may have ended between the file and its hook.
  let unsaid = true
  while (!ending.signal.aborted) {
    const woken = new Promise((done) => {
      wake = done
    })
    try {
      if (ships && (await write())) {
        unsaid = true
        console.log(`${backendsOf().length} backends`)
      }
      if (ships && unsaid && hook) await runHook()
      if (ships) unsaid = false
    } catch (error) {
      console.error(`${error.message}; trying again`)
      await pause(2_000)
      continue
    }
    await woken
    await pause(gatherMs)
  }
}

/** Reads one stream to its end. @returns the id to go on from. */
async function readShips(api, lastEventId) {
  const over = new AbortController()
  const stop = () => over.abort()
  ending.signal.addEventListener('abort', stop)
  let timer = setTimeout(stop, silenceMs)
  try {
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' }
    if (lastEventId) headers['last-event-id'] = lastEventId
    const response = await fetch(`${api}/v1/ships?${query}&watch`, { headers, signal: over.signal })
    if (!response.ok) throw new Refused(response.status, await response.text())
    /** A list that is not complete yet. */
    let coming = lastEventId ? undefined : new Map()
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream())
    for await (const { event, data, id } of events) {
      clearTimeout(timer)
      timer = setTimeout(stop, silenceMs)
      const record = JSON.parse(data)
      if (event === 'reset') coming = new Map()
      if (event === 'put') (coming ?? ships).set(record.id, record)
      if (event === 'delete') (coming ?? ships).delete(record.id)
      if (event === 'bookmark' && coming) {
        ships = coming
        coming = undefined
      }
      if (coming) continue
      lastEventId = id ?? lastEventId
      wake()
    }
  } catch (error) {
    if (error instanceof Refused && error.final) throw error
    if (!ending.signal.aborted) console.error(`${api}: ${error.cause?.message ?? error.message}; going on`)
  } finally {
    clearTimeout(timer)
    ending.signal.removeEventListener('abort', stop)
  }
  return lastEventId
}

class Refused extends Error {
  constructor(status, text) {
    super(`the ApiServer answered ${status}: ${text.slice(0, 500)}`)
    /** Asking again would not help. */
    this.final = status < 500 && status !== 408 && status !== 429
  }
}

async function pause(ms) {
  await delay(ms, undefined, { signal: ending.signal }).catch(() => undefined)
}

async function keepShips() {
  let lastEventId
  for (let turn = 0; !ending.signal.aborted; turn++) {
    lastEventId = await readShips(apis[turn % apis.length], lastEventId)
    // Not all proxies at once, when many were cut off together.
    await pause(200 + Math.random() * 800)
  }
  wake()
}

await Promise.all([keepFile(), keepShips()]).catch((error) => {
  console.error(error.message)
  process.exit(1)
})
