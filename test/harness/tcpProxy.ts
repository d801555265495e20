// A TCP proxy for tests: cuts connections, swallows replies, refuses newcomers, delivers in small pieces.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Replies do not reach the client, while its requests reach the server. */
  swallowing = false
  /** New connections are closed at once. */
  refusing = false
  /** Replies arrive in pieces of so many bytes, one each turn of the event loop. */
  pieceBytes = Number.POSITIVE_INFINITY

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer()
    const proxy = new TcpProxy(server)
    server.on('connection', (client) => proxy.#join(client, targetPort))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Ends all connections; what is under way is lost. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket, targetPort: number): void {
    if (this.refusing) return void client.destroy()
    const target = connect(targetPort, '127.0.0.1')
    for (const socket of [client, target]) {
      socket.setNoDelay(true)
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        target.destroy()
      })
    }
    client.on('data', (data) => target.write(data))
    let delivered = Promise.resolve()
    target.on('data', (data) => {
      if (this.swallowing) return
      delivered = delivered.then(() => this.#deliver(client, data))
    })
  }

  async #deliver(client: Socket, data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += this.pieceBytes) {
      client.write(data.subarray(at, Math.min(data.length, at + this.pieceBytes)))
      if (Number.isFinite(this.pieceBytes)) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
