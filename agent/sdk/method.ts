// A method of the SDK: by which names gRPC and REST call it, what it works on, what it does.
import type { BlueprintSpec } from '../../shared/model/blueprint.ts'
import type { Allowance } from './allowance.ts'
import type { Bounds } from './bounds.ts'
import type { Line } from './line.ts'

/** Who calls, and what the methods work on: one ship. */
export interface Speaker {
  readonly line: Line
  readonly probe: BlueprintSpec['probe']
  readonly allowance: Allowance
  readonly bounds: Bounds
}

/** A message in the JSON of protobuf, with the names of the protocol. */
export type Message = Readonly<Record<string, unknown>>
export type Run = (speaker: Speaker, request: Message) => Promise<Message>

export interface Method {
  readonly service: 'agones.dev.sdk.SDK' | 'agones.dev.sdk.beta.SDK' | 'agones.dev.sdk.alpha.SDK'
  readonly name: string
  readonly verb: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** Its group, if it has one, is the name that the request is about. */
  readonly path: RegExp
  /** From what REST sends to the request of gRPC; default: it is the same. */
  readonly request?: (body: Message, name: string) => Message
  readonly run: Run
}
