// An ApiServer in a process of its own that tests attack with raw bytes, and how to tell that it took no harm.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { ApiProcess } from './apiProcess.ts'
import { adminToken } from './apiServer.ts'
import { type RawAnswer, RawHttp } from './rawHttp.ts'
import { describeHost } from './twoServers.ts'

export const requestMs = 2_000
export const mebibyte = 1024 * 1024
/** The promise is 100 ms; a machine that runs other tests beside may take longer for a single one. */
export const promiseMs = 100
export const hardMs = 2_000

export class Target {
  readonly api: ApiProcess
  /** Of the host "first". */
  readonly credential: string
  readonly client: Client
  readonly #stack: Stack
  readonly #scratch: Scratch

  private constructor(api: ApiProcess, credential: string, stack: Stack, scratch: Scratch) {
    this.api = api
    this.credential = credential
    this.client = connect({ url: api.url, token: adminToken })
    this.#stack = stack
    this.#scratch = scratch
  }

  /** With a blueprint and a fleet "arena" and a host "first". */
  static async start(): Promise<Target> {
    const scratch = await scratchDir()
    const stack = await startStack({ dir: scratch.dir, profile: 'fast', log: createLog('test', 'silent') })
    const api = await ApiProcess.start(stack, { requestMs })
    const { v1 } = connect({ url: api.url, token: adminToken })
    const spec = { image: 'game:1' }
    await answerOf(v1.blueprints[':blueprint'].$put({ param: { blueprint: 'arena' }, json: spec }))
    await answerOf(v1.fleets.$post({ json: { name: 'arena', blueprint: 'arena', replicas: 0 } }))
    const { token } = await answerOf(v1.hosts['join-tokens'].$post({ json: { host: 'first' } }))
    const joined = connect({ url: api.url }).v1.monitor.join.$post({
      json: { token, host: describeHost('first') },
    })
    return new Target(api, (await answerOf(joined)).credential, stack, scratch)
  }

  async stop(): Promise<void> {
    await this.api.kill()
    await this.#stack.stop()
    await this.#scratch.remove()
  }

  /** Everything that requests can change. */
  async everything(): Promise<string> {
    const { v1 } = this.client
    const pages = [
      answerOf(v1.ships.$get({ query: {} })),
      answerOf(v1.fleets.$get({ query: {} })),
      answerOf(v1.hosts.$get({ query: {} })),
      answerOf(v1.blueprints.$get({ query: {} })),
    ]
    return JSON.stringify(await Promise.all(pages), (key, value) =>
      /lastReportAt|silent|sample/i.test(key) ? undefined : value,
    )
  }

  /** Asks for the health of the server all the while. @returns how long it took to answer, each time. */
  async whileAsking(attack: () => Promise<void>): Promise<number[]> {
    const connection = await RawHttp.open(this.api.port)
    const took: number[] = []
    let over = false
    const asking = (async () => {
      while (!over) {
        await connection.send(head('GET', '/healthz'))
        const answer = await connection.answer(30_000)
        assert.equal(answer?.status, 200)
        took.push(answer.ms)
        await delay(5)
      }
    })()
    try {
      await attack()
    } finally {
      over = true
      await asking
      connection.close()
    }
    return took
  }

  /** What the server itself calls its own fault. */
  unexpected(): string[] {
    return this.api.log.split('\n').filter((line) => line.includes('unexpected error'))
  }
}

export function head(
  method: string,
  path: string,
  more: Record<string, string | number> = {},
  token = adminToken,
): string {
  const headers = { host: 'armada', authorization: `Bearer ${token}`, ...more }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export function post(
  path: string,
  body: string | Buffer,
  more: Record<string, string> = {},
  token?: string,
): Buffer {
  const bytes = Buffer.from(body)
  const headers = { 'content-type': 'application/json', 'content-length': bytes.length, ...more }
  return Buffer.concat([Buffer.from(head('POST', path, headers, token)), bytes])
}

/** Asserts that the answer is a problem document with this status. */
export function isProblem(
  answer: RawAnswer | undefined,
  status: number | readonly number[],
  what: string,
): string {
  assert.ok(answer, `${what}: no answer`)
  const expected = [status].flat()
  assert.ok(expected.includes(answer.status), `${what}: ${answer.status} ${answer.text}`)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', what)
  const problem = JSON.parse(answer.text) as {
    status: number
    code: string
    detail: string
    requestId: string
  }
  assert.equal(problem.status, answer.status, what)
  assert.ok(problem.detail && problem.requestId, what)
  return `${problem.code}: ${problem.detail}`
}

export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

export function report(what: string, took: readonly number[]): void {
  const ms = (value: number) => value.toFixed(1)
  console.log(`  ${what}: median ${ms(median(took))} ms, worst ${ms(Math.max(...took))} ms of ${took.length}`)
}
