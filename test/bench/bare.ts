// The floor to compare with: a bare HTTP server of Node that answers the same bytes and headers to everything.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BareAnswer {
  body: string
  headers: Record<string, string>
}

process.once('message', ({ body, headers }: BareAnswer) => {
  const server = createServer((_, response) => response.writeHead(200, headers).end(body))
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
})
process.once('disconnect', () => process.exit())
