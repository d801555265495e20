// On which ports of loopback a ship finds its SDK. In a network of its own they are Agones' usual ones; on the host's
// network each ship gets two from a range that is kept for that.
import { speaksSdk } from '../shared/model/blueprint.ts'
import type { Grant } from '../shared/model/grant.ts'
import { isTcpFree } from './freePort.ts'

export interface SdkPorts {
  grpc: number
  rest: number
}

export const usualPorts: SdkPorts = { grpc: 9357, rest: 9358 }

/** A ship that was given ports holds them by its container soon after. */
const rememberMs = 120_000

export class SdkPortBook {
  readonly #from: number
  readonly #to: number
  readonly #held: () => readonly SdkPorts[]
  /** Port -> when it was given out. */
  readonly #given = new Map<number, number>()
  #next: number

  /** @param range such as `9400-9899`. @param held the ports of all ships aboard. */
  constructor(range: string, held: () => readonly SdkPorts[]) {
    const [from = 0, to = 0] = range.split('-').map(Number)
    this.#from = from
    this.#to = to
    this.#next = from
    this.#held = held
  }

  /** @throws Error that says what to do when the range is used up. */
  async choose({ spec }: Grant): Promise<SdkPorts> {
    if (!speaksSdk(spec) || spec.network !== 'host') return usualPorts
    const held = new Set(this.#held().flatMap(({ grpc, rest }) => [grpc, rest]))
    const [grpc, rest] = [await this.#free(held), await this.#free(held)]
    return { grpc, rest }
  }

  async #free(held: ReadonlySet<number>): Promise<number> {
    const nowMs = performance.now()
    for (let tries = this.#from; tries <= this.#to; tries++) {
      const port = this.#next
      this.#next = port >= this.#to ? this.#from : port + 1
      if (held.has(port) || nowMs - (this.#given.get(port) ?? -rememberMs) < rememberMs) continue
      this.#given.set(port, nowMs)
      if (await isTcpFree(port, '127.0.0.1')) return port
    }
    throw new Error(
      `no port for its SDK is free between ${this.#from} and ${this.#to}; widen ARMADA_SDK_PORTS of this host`,
    )
  }
}

/** What a container was told when it was made. */
export function sdkPortsIn(environment: readonly string[]): SdkPorts {
  const wordOf = (name: string) =>
    environment.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1)
  const { grpc, rest } = usualPorts
  return {
    grpc: Number(wordOf('AGONES_SDK_GRPC_PORT')) || grpc,
    rest: Number(wordOf('AGONES_SDK_HTTP_PORT')) || rest,
  }
}
