// HTTP/2 and gRPC by the byte, as no client sends them, and what a call was answered.
import { once } from 'node:events'
import type { ClientHttp2Stream } from 'node:http2'

/** RFC 9113, section 4.1. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(Buffer.byteLength(payload), 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, Buffer.from(payload)])
}

/** The head of a stream, with all names and values as they are: RFC 7541, section 6.2.2. */
export function head(path: string, type: string, stream = 1): Buffer {
  const literal = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const fields = { ':method': 'POST', ':scheme': 'http', ':authority': 'ship', ':path': path }
  const pairs = Object.entries({ ...fields, 'content-type': type })
  return frame(
    1,
    4,
    stream,
    Buffer.concat(
      pairs
        .flat()
        .map((text, i) => (i % 2 ? literal(text) : Buffer.concat([Buffer.from([0]), literal(text)]))),
    ),
  )
}

export const reset = (code: number, stream = 1) => frame(3, 0, stream, Buffer.from([0, 0, 0, code]))

export function framed(message: Buffer | string, flag = 0): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(Buffer.byteLength(message), 1)
  return Buffer.concat([prefix, Buffer.from(message)])
}

export interface Said {
  http: unknown
  status: unknown
  message: unknown
  body: Buffer
  rst: number | undefined
}

export async function said(stream: ClientHttp2Stream): Promise<Said> {
  const parts: Buffer[] = []
  let headers: Record<string, unknown> = {}
  let trailers: Record<string, unknown> = {}
  stream.on('data', (part) => parts.push(part))
  stream.on('response', (got) => {
    headers = got
  })
  stream.on('trailers', (got) => {
    trailers = got
  })
  stream.on('error', () => undefined)
  await once(stream, 'close')
  // As the client of Node does it, which leaves some that others would not.
  const message = decodeURI(String(trailers['grpc-message'] ?? ''))
  const body = Buffer.concat(parts)
  return { http: headers[':status'], status: trailers['grpc-status'], message, body, rst: stream.rstCode }
}
