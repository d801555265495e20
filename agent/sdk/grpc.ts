// The SDK over gRPC: fed with the connections of the ships' networks, each of which is of one ship.
import { performServerHandshake, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { heldMs, tooOften } from './allowance.ts'
import { Call, isGrpc } from './call.ts'
import { gameServerOf } from './gameServer.ts'
import type { Speaker } from './method.ts'
import { methods } from './methods.ts'
import { type Rpc, readProtocol } from './protocol.ts'
import { SdkError } from './sdkError.ts'

type Serve = (call: Call, speaker: Speaker, limits: typeof usual) => void

const settings = { maxConcurrentStreams: 32 }
/** Nothing came for so long: is anybody there? And so long the one message of a call may take to come whole. */
const usual = { quietMs: 30_000, answerMs: 10_000, wholeMs: 10_000 }

/** Path -> what it does; read by the first ship that speaks gRPC. */
let served: ReadonlyMap<string, Serve> | undefined

/** Serves one connection until it is closed. Nothing that comes through it may throw: the agent would end. */
export function speakGrpc(socket: Socket, speaker: Speaker, limits = usual): void {
  if (socket.destroyed) return
  served ??= new Map([...readProtocol()].map(([path, rpc]) => [path, serving(rpc)]))
  const session = performServerHandshake(socket, { settings })
  session.on('error', () => session.destroy())
  sendAwayWhoeverIsGone(session, limits)
  session.on('stream', (stream, { ':path': path = '', 'content-type': type }) => {
    // Also of what is no call: answering it costs as much.
    const isTooOften = !speaker.allowance.take()
    if (!isTooOften && !isGrpc(stream, type)) return
    const call = new Call(stream, speaker.bounds)
    if (isTooOften) return call.fail(tooOften(), heldMs)
    const serve = served?.get(path)
    if (serve) serve(call, speaker, limits)
    else call.fail(new SdkError('UNIMPLEMENTED', `there is no ${path}`))
  })
}

/** After a protocol error Node reads no more, and so never hears that the other side has closed. */
function sendAwayWhoeverIsGone(session: ServerHttp2Session, { quietMs, answerMs }: typeof usual): void {
  session.setTimeout(quietMs)
  session.on('timeout', () => {
    const late = setTimeout(() => session.destroy(), answerMs)
    session.ping((error) => {
      clearTimeout(late)
      if (error) session.destroy()
      else session.setTimeout(quietMs)
    })
  })
}

function serving(rpc: Rpc): Serve {
  if (rpc.name === 'Health') return pings
  if (rpc.name === 'WatchGameServer') return watch(rpc)
  const method = methods.find((one) => one.service === rpc.service && one.name === rpc.name)
  if (!method) throw new Error(`nobody serves ${rpc.service}/${rpc.name}`)
  return (call, speaker, limits) => {
    const answer = async (message: Buffer) =>
      call.end(rpc.encode(await method.run(speaker, rpc.decode(message))))
    one(call, limits, (message) => answer(message).catch((error: unknown) => call.fail(error)))
  }
}

/** What they say is nothing: they are not even decoded. */
function pings(call: Call, { line, allowance }: Speaker): void {
  const take = () => (allowance.take() ? line.ping() : call.fail(tooOften(), heldMs))
  call.read({ take, ended: () => call.end(nothing) })
}

const nothing = Buffer.alloc(0)

function watch({ encode }: Rpc): Serve {
  return (call, { line, probe }, limits) => {
    const begin = async () => {
      const first = await line.self()
      const show = (self: typeof first) => call.write(encode(gameServerOf(self, probe)))
      call.onClose(line.watch(show))
      show(first)
    }
    one(call, limits, () => begin().catch((error: unknown) => call.fail(error)))
  }
}

/** @param take is called once the one message of the caller has come, and nothing else. */
function one(call: Call, { wholeMs }: typeof usual, take: (message: Buffer) => void): void {
  const wrong = () => new SdkError('UNIMPLEMENTED', 'this method takes one message')
  const late = setTimeout(() => {
    call.fail(new SdkError('INVALID_ARGUMENT', `the message did not come whole within ${wholeMs} ms`))
  }, wholeMs).unref()
  call.onClose(() => clearTimeout(late))
  let begun = 0
  let message: Buffer | undefined
  call.read({
    begin: () => {
      if (begun++ > 0) throw wrong()
    },
    take: (whole) => {
      message = whole
    },
    ended: () => {
      clearTimeout(late)
      if (message) take(message)
      else call.fail(wrong())
    },
  })
}
