// What one can do with a server, be it ours or somebody else's.
import { ArmadaError } from '../../shared/errors.ts'

export interface Server {
  readonly name: string
  readonly address: string
  /** Undefined while it is down, and for a server that is not ours. */
  readonly pid: number | undefined
  /** SIGTERM, then SIGKILL after its grace. */
  stop(): Promise<void>
  /** SIGKILL, as a crash would. Resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void
  resume(): void
  /** Stops it if it runs and starts it on the same address with the same data. Resolves when it answers. */
  restart(): Promise<void>
}

/** A running server of somebody else: its address is used, its life is not ours. */
export function foreignServer(name: string, address: string): Server {
  const refuse = (): never => {
    throw new ArmadaError('conflict', `${name} at ${address} was not started here and is left alone`)
  }
  return {
    name,
    address,
    pid: undefined,
    stop: async () => undefined,
    kill: async () => refuse(),
    pause: refuse,
    resume: refuse,
    restart: async () => refuse(),
  }
}
