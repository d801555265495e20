// Bodies: read and parsed once, with a limit and strictly, after the caller is known and before a schema sees them.
import type { Context, MiddlewareHandler, Next } from 'hono'
import type { Role } from '../../shared/api/route.ts'
import { ArmadaError } from '../../shared/errors.ts'
import { strictJson } from './strictJson.ts'

/** 5,000 holdings of a host, the largest body there is, take about 1 MB. */
export const maxBodyBytes = 2 * 1024 * 1024
/** A blueprint has at most 64 KiB, which a careless writer makes twice as long with spaces. */
const peopleBytes = 256 * 1024
/** Whoever joins has no token yet. */
export const strangerBytes = 16 * 1024

const json = /^application\/([\w.-]+\+)?json\s*(;|$)/i
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The largest body of a route that these may call: agents and runners send thousands of entries, people do not. */
export function bodyBytesFor(roles: readonly Role[]): number {
  if (roles.length === 0) return strangerBytes
  return roles.every((role) => role === 'host' || role === 'runner') ? maxBodyBytes : peopleBytes
}

/** What `c.req.json()`, and with it the schema, then gives has been checked by strictJson. */
export function jsonBody(maxBytes: number): MiddlewareHandler {
  return async (c, next) => {
    if (!/^(identity)?$/i.test(c.req.header('content-encoding') ?? '')) {
      throw new ArmadaError('unsupported_media_type', 'Send the body as it is, without Content-Encoding.')
    }
    if (isJson(c.req.header('content-type'))) {
      const text = await bodyText(c)
      // In UTF-16 a text is never longer than in UTF-8.
      if (text.length > maxBytes) throw bodyTooLarge(maxBytes)
      const value = strictJson(text)
      const request: { json(): Promise<unknown> } = c.req
      request.json = () => Promise.resolve(value)
    }
    await next()
  }
}

export function isJson(contentType: string | undefined): boolean {
  return json.test(contentType ?? '')
}

/**
 * The body as text; it may be asked for again.
 * @throws ArmadaError malformed_json when it is not UTF-8, invalid_request when it breaks off.
 */
export async function bodyText(c: Context): Promise<string> {
  const known = c.get('bodyText') as string | undefined
  if (known !== undefined) return known
  const text = textOf(await c.req.arrayBuffer().catch(brokeOff))
  c.set('bodyText', text)
  return text
}

/** @throws ArmadaError malformed_json */
export function textOf(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new ArmadaError('malformed_json', 'The body is not UTF-8.', { cause })
  }
}

/** Refuses larger bodies: by their length before they are read, and those without one while they are. */
export function limitBody(maxBytes: number): MiddlewareHandler {
  return (c, next) => {
    const { body } = c.req.header('transfer-encoding') === undefined ? {} : c.req.raw
    if (body) return readFirst(c, next, body)
    if (Number(c.req.header('content-length') ?? 0) > maxBytes) throw bodyTooLarge(maxBytes)
    return next()
  }

  async function readFirst(c: Context, next: Next, body: ReadableStream<Uint8Array>): Promise<void> {
    const read: { arrayBuffer?: unknown } = c.req.bodyCache
    read.arrayBuffer = Promise.resolve(await readAll(body, maxBytes))
    await next()
  }
}

async function readAll(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<ArrayBuffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch(brokeOff)
    if (done) return await new Blob(chunks).arrayBuffer()
    bytes += value.length
    if (bytes > maxBytes) throw bodyTooLarge(maxBytes)
    chunks.push(value)
  }
}

function brokeOff(cause: unknown): never {
  throw new ArmadaError('invalid_request', 'The body broke off before its end.', { cause })
}

function bodyTooLarge(maxBytes: number): ArmadaError {
  return new ArmadaError(
    'body_too_large',
    `More than ${maxBytes} bytes of body are not read here; some routes take fewer. Send less at once.`,
  )
}
