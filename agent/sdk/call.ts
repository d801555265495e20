// One call over gRPC, on a stream of HTTP/2: messages behind their lengths, and at its end a status. The wire is that of
// gRPC's PROTOCOL-HTTP2, without compression.
//
// Node's HTTP/2 and these few lines in place of @grpc/grpc-js: pings are most of what the agent of a full host does, and
// there a server for each ship takes memory. `npm run bench:agent` with each of the two on the same slow machine, 100
// ships: 2.3 % of a core and at most 82.5 MiB with that library, 1.7 % and 79.5 MiB without.
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Bounds } from './bounds.ts'
import { Gathering } from './gathering.ts'
import { codes, SdkError } from './sdkError.ts'

const contentType = 'application/grpc'
const protobufType = /^application\/grpc(\+proto)?(;|$)/
const prefixBytes = 5
/** Of the head of a frame. */
const frameBytes = 9
export const mostMessageBytes = 65_536
/** Past this a caller that does not read is sent away. */
export const mostUnreadBytes = 1_000_000
/** Of the words of an error: trailers that are too long end the connection. */
const mostWords = 1_000

export interface Reader {
  /** A message begins. */
  begin?: () => void
  /** It has come whole, and is good until the next begins. */
  take: (message: Buffer) => void
  ended: () => void
}

export class Call {
  readonly #stream: ServerHttp2Stream
  readonly #bounds: Bounds
  readonly #begun: Gathering
  /** So long is what begun: its prefix, until that says more. */
  #wantedBytes = prefixBytes
  #isOver = false

  constructor(stream: ServerHttp2Stream, bounds: Bounds) {
    this.#stream = stream
    this.#bounds = bounds
    this.#begun = new Gathering(bounds)
    // Whoever called went away: `onClose` tells.
    stream.on('error', () => undefined).once('close', () => this.#begun.release())
  }

  /** Whatever `begin` and `take` throw ends the call. */
  read(reader: Reader): void {
    this.#stream
      .on('data', (chunk: Buffer) => {
        this.#bounds.heard(frameBytes + chunk.length)
        try {
          this.#cut(chunk, reader)
        } catch (error) {
          this.fail(error)
        }
      })
      .once('end', () => {
        if (!this.#isOver && !isGone(this.#stream)) reader.ended()
      })
  }

  write(message: Uint8Array): void {
    if (this.#isOver || isGone(this.#stream)) return
    this.#begin()
    const prefix = Buffer.alloc(prefixBytes)
    prefix.writeUInt32BE(message.length, 1)
    this.#stream.write(Buffer.concat([prefix, message]))
    // gRPC makes RESOURCE_EXHAUSTED of it; a status would wait behind what nobody reads.
    if (this.#stream.writableLength > mostUnreadBytes) this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  /** Its last message, and that all is well. */
  end(message: Uint8Array): void {
    this.write(message)
    this.#end({ 'grpc-status': '0' })
  }

  /** @param lateMs so late the caller hears of it; until then nothing more of the call is taken or read. */
  fail(error: unknown, lateMs = 0): void {
    const { code, message } = SdkError.from(error)
    // Half of a character cannot be encoded.
    const words = Buffer.from(message.slice(0, mostWords)).toString()
    this.#end({ 'grpc-status': String(codes[code].number), 'grpc-message': encodeURI(words) }, lateMs)
  }

  onClose(listener: () => void): void {
    if (isGone(this.#stream)) listener()
    else this.#stream.once('close', listener)
  }

  #cut(chunk: Buffer, { begin, take }: Reader): void {
    for (let rest = chunk; rest.length > 0 && !this.#isOver; ) {
      if (this.#begun.length === 0) begin?.()
      const part = rest.subarray(0, this.#wantedBytes - this.#begun.length)
      rest = rest.subarray(part.length)
      this.#begun.add(part)
      if (this.#begun.length === prefixBytes) this.#wantedBytes += lengthIn(this.#begun.bytes)
      if (this.#begun.length < this.#wantedBytes) continue
      const message = this.#begun.bytes.subarray(prefixBytes)
      this.#begun.clear()
      this.#wantedBytes = prefixBytes
      take(message)
    }
  }

  #begin(): void {
    if (this.#stream.headersSent) return
    this.#stream.respond(
      {
        [constants.HTTP2_HEADER_STATUS]: 200,
        'content-type': contentType,
        'grpc-accept-encoding': 'identity',
      },
      { waitForTrailers: true },
    )
  }

  #end(trailers: Record<string, string>, lateMs = 0): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#begun.release()
    if (lateMs > 0) {
      this.#stream.pause()
      setTimeout(() => {
        // One whose end is not read counts on as open, and Node ends a connection that has too many.
        this.#stream.resume()
        this.#close(trailers)
      }, lateMs).unref()
    } else this.#close(trailers)
  }

  #close(trailers: Record<string, string>): void {
    if (isGone(this.#stream)) return
    this.#stream.once('wantTrailers', () => {
      if (isGone(this.#stream)) return
      this.#stream.sendTrailers(trailers)
      // What the caller still sends is not read. At once, this would go ahead of the trailers.
      if (!this.#stream.readableEnded) setImmediate(() => this.#stream.close(constants.NGHTTP2_NO_ERROR))
    })
    this.#begin()
    this.#stream.end()
  }
}

/** Of the message behind this prefix. @throws SdkError */
function lengthIn(prefix: Buffer): number {
  if (prefix[0] !== 0) throw new SdkError('UNIMPLEMENTED', 'messages are not to be compressed')
  const length = prefix.readUInt32BE(1)
  if (length <= mostMessageBytes) return length
  throw new SdkError('RESOURCE_EXHAUSTED', `at most ${mostMessageBytes} bytes are taken`)
}

/** Whether it is gRPC that is spoken; else the stream is answered. */
export function isGrpc(stream: ServerHttp2Stream, type: string | undefined): boolean {
  if (type !== undefined && protobufType.test(type)) return true
  stream.on('error', () => undefined)
  if (isGone(stream)) return false
  stream.respond({ [constants.HTTP2_HEADER_STATUS]: 415 }, { endStream: true })
  stream.close(constants.NGHTTP2_NO_ERROR)
  return false
}

/** A stream that was reset is closed before it is destroyed; to answer it is an error of either. */
function isGone({ destroyed, closed }: ServerHttp2Stream): boolean {
  return destroyed || closed
}
