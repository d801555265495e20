// A receiver of webhooks: a real HTTP server that keeps what it was sent, and answers as the test says.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ArmadaEvent } from '../../shared/model/event.ts'

export interface Received {
  path: string
  headers: Record<string, string>
  body: string
  /** `webhook-id`. */
  id: string
  type: string
  event: ArmadaEvent
  atMs: number
}

type Respond = (received: Received, response: ServerResponse) => void

export class Receiver {
  readonly received: Received[] = []
  respond: Respond = (_, response) => response.writeHead(204).end()
  /** Connections that were made. */
  connections = 0
  readonly #server = createServer()

  static async start(respond?: Respond): Promise<Receiver> {
    const receiver = new Receiver()
    if (respond) receiver.respond = respond
    receiver.#server.on('connection', () => {
      receiver.connections++
    })
    receiver.#server.on('request', async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const headers = plain(request.headers)
      const { type = '', data } = body ? JSON.parse(body) : {}
      const received: Received = {
        ...{ path: request.url ?? '', headers, body, type, event: data },
        ...{ id: headers['webhook-id'] ?? '', atMs: performance.now() },
      }
      receiver.received.push(received)
      receiver.respond(received, response)
    })
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get ids(): string[] {
    return this.received.map(({ id }) => id)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function plain(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}
