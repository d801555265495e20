// The SDK over gRPC: one small server a ship that speaks it, fed with the connections of its own network.

import type { Socket } from 'node:net'
import grpc from '@grpc/grpc-js'
import type { Allowance } from './allowance.ts'
import { gameServerOf } from './gameServer.ts'
import type { Speaker } from './method.ts'
import { methods } from './methods.ts'
import { type Rpc, readProtocol } from './protocol.ts'
import { codes, SdkError } from './sdkError.ts'

type Unary = grpc.handleUnaryCall<Record<string, unknown>, object>
type Pings = grpc.handleClientStreamingCall<Record<string, unknown>, object>
type Watch = grpc.handleServerStreamingCall<Record<string, unknown>, object>

const limits = {
  'grpc.max_receive_message_length': 65_536,
  'grpc.max_concurrent_streams': 32,
  'grpc.enable_channelz': 0,
}
/** Past this a watcher that does not read is sent away. */
const mostUnreadBytes = 1_000_000

let protocol: ReturnType<typeof readProtocol> | undefined

export class GrpcSide {
  readonly #server = new grpc.Server(limits)
  readonly #injector: ReturnType<grpc.Server['createConnectionInjector']>

  constructor(speaker: Speaker, allowance: Allowance) {
    protocol ??= readProtocol()
    for (const [service, rpcs] of Object.entries(protocol)) {
      const handlers = Object.keys(rpcs).map((name) => [name, handlerOf(service, name, speaker, allowance)])
      this.#server.addService(definitionOf(rpcs), Object.fromEntries(handlers))
    }
    this.#injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
  }

  connected(socket: Socket): void {
    this.#injector.injectConnection(socket)
  }

  close(): void {
    this.#injector.destroy()
    this.#server.forceShutdown()
  }
}

/** Clients have a say in the types of grpc-js; here nobody is one. */
function definitionOf(rpcs: Readonly<Record<string, Rpc>>): grpc.ServiceDefinition {
  const none = (): never => {
    throw new Error('only served here')
  }
  const full = Object.entries(rpcs).map(([name, rpc]) => [
    name,
    { ...rpc, requestSerialize: none, responseDeserialize: none },
  ])
  return Object.fromEntries(full)
}

function handlerOf(
  service: string,
  name: string,
  speaker: Speaker,
  allowance: Allowance,
): Unary | Pings | Watch {
  if (name === 'Health') return pings(speaker, allowance)
  if (name === 'WatchGameServer') return watch(speaker, allowance)
  const method = methods.find((one) => one.service === service && one.name === name)
  if (!method) throw new Error(`nobody serves ${service}/${name}`)
  const unary: Unary = (call, done) => {
    const answer = async () => {
      allowance.take()
      return method.run(speaker, call.request)
    }
    answer().then(
      (message) => done(null, message),
      (error: unknown) => done(statusOf(error)),
    )
  }
  return unary
}

function pings({ line }: Speaker, allowance: Allowance): Pings {
  return (call, done) => {
    call.on('data', () => {
      try {
        allowance.take()
        line.ping()
      } catch (error) {
        done(statusOf(error))
        call.removeAllListeners('data')
      }
    })
    call.on('error', () => undefined)
    call.once('end', () => done(null, {}))
  }
}

function watch({ line, probe }: Speaker, allowance: Allowance): Watch {
  return (call) => {
    const end = (error: unknown) => call.emit('error', statusOf(error))
    const begin = async () => {
      allowance.take()
      call.write(gameServerOf(await line.self(), probe))
      const stop = line.watch((self) => {
        if (call.writableLength > mostUnreadBytes)
          return end(new SdkError('RESOURCE_EXHAUSTED', 'nobody reads'))
        call.write(gameServerOf(self, probe))
      })
      for (const over of ['cancelled', 'close', 'error']) call.once(over, stop)
      if (call.cancelled) stop()
    }
    begin().catch(end)
  }
}

function statusOf(error: unknown): { code: number; details: string } {
  const { code, message } = SdkError.from(error)
  return { code: codes[code].number, details: message }
}
