// Sends one shot as it is, and tells what came of it.
import { type Dispatcher, Pool } from 'undici'
import { sleep } from '../../../shared/loop.ts'
import type { Memory } from './memory.ts'
import { type CallerName, Raw, type Shot } from './shots.ts'

export interface Outcome {
  shot: Shot
  status: number
  contentType: string
  text: string
  ms: number
  /** As it went out, to be sent again by hand. */
  sent: Sent
}

export interface Sent {
  method: string
  path: string
  headers: Record<string, string>
  body: string | Uint8Array | undefined
}

/** No answer may take longer, however busy the machine is. */
export const hangMs = 20_000
/** What is no JSON may be a stream, in which nothing happens for as long as nothing happens. */
const beginningMs = 500

export class Gun {
  readonly #pool: Pool
  readonly #memory: Memory
  readonly #tokens: Readonly<Record<CallerName, () => string | undefined>>

  constructor(url: string, memory: Memory, tokens: Readonly<Record<CallerName, () => string | undefined>>) {
    this.#pool = new Pool(url, { connections: 32, headersTimeout: hangMs, bodyTimeout: hangMs })
    this.#memory = memory
    this.#tokens = tokens
  }

  async fire(shot: Shot): Promise<Outcome> {
    return this.send(shot, this.#written(shot))
  }

  /** @throws when there is no answer in time. */
  async send(shot: Shot, sent: Sent): Promise<Outcome> {
    const startedAt = performance.now()
    const { method, path, headers, body } = sent
    try {
      const answer = await this.#pool.request({
        ...{ method: method as Dispatcher.HttpMethod, path, headers, body: body ?? null },
        signal: AbortSignal.timeout(hangMs),
      })
      const contentType = String(answer.headers['content-type'] ?? '')
      const text = /\bjson\b|^$|\+json/.test(contentType)
        ? await answer.body.text()
        : await begun(answer.body)
      return { shot, status: answer.statusCode, contentType, text, ms: performance.now() - startedAt, sent }
    } catch (error) {
      throw new Error(`no answer to ${describe(sent)}: ${error}`, { cause: error })
    }
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  #written({ method, path, query, headers, caller, body }: Shot): Sent {
    const parts = path.map((part) => (part instanceof Raw ? part.text : encoded(this.#memory.filled(part))))
    const asked = query.map(([name, value]) => `${encoded(name)}=${encoded(this.#memory.filled(value))}`)
    const token = this.#tokens[caller]()
    const all: Record<string, string> = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    }
    for (const [name, value] of Object.entries(headers))
      all[name] = printable(String(this.#memory.filled(value)))
    const bodiless = method === 'GET' || method === 'HEAD' || !body
    return {
      method,
      path: `/${parts.join('/')}${asked.length > 0 ? `?${asked.join('&')}` : ''}`,
      headers: all,
      body: bodiless ? undefined : 'raw' in body ? body.raw : JSON.stringify(this.#memory.filled(body.json)),
    }
  }
}

async function begun(stream: Dispatcher.ResponseData['body']): Promise<string> {
  const ended = stream.dump({ limit: 1_000_000, signal: AbortSignal.timeout(hangMs) }).catch(() => undefined)
  await Promise.race([ended, sleep(beginningMs)])
  stream.destroy()
  return ''
}

function encoded(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  // Halves of surrogate pairs cannot be encoded; by way of bytes they become the replacement character.
  return encodeURIComponent(Buffer.from(text).toString())
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').trim()
}

/** As much of a request as is needed to send it again by hand; long values are cut. */
export function describe({ method, path, headers, body }: Sent): string {
  const shown = typeof body === 'string' ? body : body && `${body.length} bytes`
  const parts = [
    method,
    path,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value.slice(0, 80)}`),
  ]
  return [...parts, shown ?? '']
    .map((part) => (part.length > 600 ? `${part.slice(0, 600)} …` : part))
    .join(' | ')
}
