// The floor to compare with: a bare HTTP server of Node that answers the same bytes to everything.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

process.once('message', (body: string) => {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const server = createServer((_, response) => response.writeHead(200, headers).end(body))
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
})
process.once('disconnect', () => process.exit())
