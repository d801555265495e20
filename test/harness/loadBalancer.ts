// A load balancer for tests: every request goes to the next ApiServer, also those of one connection.
import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'

export class LoadBalancer {
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #targets: readonly URL[]
  #turn = 0
  /** Requests that each target was given. */
  readonly given: number[]

  private constructor(targets: readonly string[]) {
    this.#targets = targets.map((target) => new URL(target))
    this.given = targets.map(() => 0)
    this.#server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing))
    // Streams stay open for as long as they like.
    this.#server.requestTimeout = 0
  }

  static async start(targets: readonly string[]): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(targets)
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const chosen = this.#turn++ % this.#targets.length
    const target = this.#targets[chosen] as URL
    this.given[chosen] = (this.given[chosen] ?? 0) + 1
    const { method, url, headers } = incoming
    // The path as it came: URL objects would tidy up what hostile callers send.
    const onwards = request({
      ...{ host: target.hostname, port: target.port, agent: this.#agent, method, path: url },
      headers: { ...headers, connection: 'keep-alive' },
    })
    onwards.on('response', (answer) => {
      const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...passed } = answer.headers
      outgoing.writeHead(answer.statusCode ?? 502, passed)
      outgoing.flushHeaders()
      answer.pipe(outgoing)
      answer.on('error', () => outgoing.destroy())
    })
    onwards.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()))
    outgoing.on('close', () => onwards.destroy())
    incoming.on('error', () => onwards.destroy())
    incoming.pipe(onwards)
  }
}
