// Requests over Node's own HTTP, which every program has in its memory anyway: fetch, with its parser in WebAssembly,
// takes 9 MB more, and an agent is to be slim.
import * as http from 'node:http'
import * as https from 'node:https'

const mostConnections = 16
/** A connection that was idle for so long is closed, before a proxy does it; a server that promises less is believed. */
const idleMs = 20_000

export interface Asked {
  method?: string | undefined
  headers?: Record<string, string>
  body?: string | undefined
  /** Ends the request, and the reading of its answer. */
  signal: AbortSignal
}

/** Rejects when no answer began. */
export type Ask = (url: string, asked: Asked) => Promise<http.IncomingMessage>

export interface AskerOptions {
  /** Limit of opening a connection, with its TLS. Default 5,000. */
  connectMs?: number
  /** Whether connections are kept for the next request. Default true. */
  keepAlive?: boolean
}

/** Asks servers such as the one with this URL. */
export function asker(base: string, { connectMs = 5_000, keepAlive = true }: AskerOptions = {}): Ask {
  const isSecure = new URL(base).protocol === 'https:'
  const { Agent, request: open } = isSecure ? https : http
  const agent = new Agent({ keepAlive, maxSockets: mostConnections, timeout: idleMs })
  return (url, { method = 'GET', headers = {}, body, signal }) =>
    new Promise((resolve, reject) => {
      const length = body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }
      const request = open(url, { agent, method, headers: { ...headers, ...length }, signal }, resolve)
      request.on('error', reject)
      // One that waits for a connection would hear of it only when it has one.
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      request.once('socket', (socket) => {
        if (!socket.connecting) return
        const late = () => request.destroy(new Error(`no connection within ${connectMs} ms`))
        const timer = setTimeout(late, connectMs)
        const connected = isSecure ? 'secureConnect' : 'connect'
        socket.once(connected, () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
      })
      request.end(body)
    })
}

/** The whole body. @throws when it breaks off. */
export async function textOf(answer: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of answer.setEncoding('utf8')) text += part
  return text
}
