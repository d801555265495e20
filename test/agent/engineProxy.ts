// A way to a real Docker engine on which single requests go wrong: refused, never answered, answered with nonsense, or
// carried out while the connection breaks.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `hang`: it does not reach the engine, and has no answer. `cut`: it does, and the connection breaks instead of an answer. */
export type EngineFault = 'hang' | 'cut' | { status: number; json: unknown }

export interface EngineProxy {
  readonly socketPath: string
  /** Requests so far, such as `POST /containers/1f…/kill?signal=SIGKILL`. */
  readonly asked: string[]
  /** What goes wrong with a request; undefined: nothing. */
  fault: (asked: string) => EngineFault | undefined
  close(): Promise<void>
}

export async function startEngineProxy(engineSocket: string): Promise<EngineProxy> {
  const dir = mkdtempSync(join(tmpdir(), 'engine-'))
  const socketPath = join(dir, 'docker.sock')
  const server = createServer((from, to) => {
    const asked = `${from.method} ${from.url}`
    proxy.asked.push(asked)
    const fault = proxy.fault(asked)
    if (fault === 'hang') return
    if (fault === undefined || fault === 'cut') return pass(engineSocket, from, to, fault === 'cut')
    to.writeHead(fault.status, { 'content-type': 'application/json' }).end(JSON.stringify(fault.json))
  })
  const proxy: EngineProxy = {
    socketPath,
    asked: [],
    fault: () => undefined,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      rmSync(dir, { recursive: true, force: true })
    },
  }
  server.listen(socketPath)
  await once(server, 'listening')
  return proxy
}

function pass(socketPath: string, from: IncomingMessage, to: ServerResponse, cut: boolean): void {
  const { method, url: path, headers } = from
  const onward = request({ socketPath, method, path, headers }, (answer) => {
    if (cut) return void to.destroy()
    to.writeHead(answer.statusCode ?? 502, answer.headers)
    to.flushHeaders()
    answer.pipe(to)
  })
  onward.once('error', () => to.destroy())
  to.once('close', () => onward.destroy())
  from.pipe(onward)
}
