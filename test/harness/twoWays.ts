// Two servers of one app: one that answers what is plain and nothing else, and one that answers everything, as Hono does.
import { HttpServer } from '../../functions/httpServer.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { createLog, type Log } from '../../shared/log.ts'
import { type ApiServer, startApiServer } from './apiServer.ts'
import { askOnce, type RawAnswer } from './rawHttp.ts'

/** What no ApiServer answers: the request was left to the long way. */
export const left = 418

export interface TwoWays {
  stack: Stack
  api: ApiServer
  plain: HttpServer
  hono: HttpServer
  /** Lines of the access log of both, as they come. */
  lines: Record<string, unknown>[]
  close(): Promise<void>
}

export async function startTwoWays(): Promise<TwoWays> {
  const silent = createLog('test', 'silent')
  const lines: TwoWays['lines'] = []
  const accessLog: Log = {
    ...silent,
    ...{ debug: () => undefined, warn: () => undefined, error: () => undefined, child: () => accessLog },
    info: (fields) => void lines.push({ ...fields }),
  }
  const scratch = await scratchDir()
  const stack = await startStack({ dir: scratch.dir, profile: 'fast', log: silent })
  const api = await startApiServer(stack, { accessLog, proxyHops: 1 })
  const at = { host: '127.0.0.1', port: 0, log: silent }
  const leave = () => new Response(null, { status: left })
  const plain = await HttpServer.start({ ...api.app, fetch: leave, ...at })
  const hono = await HttpServer.start({ fetch: api.app.fetch, ...at })
  return {
    ...{ stack, api, plain, hono, lines },
    async close() {
      const now = { delayMs: 0, limitMs: 0, onClosed: () => undefined }
      await plain.stop(now)
      await hono.stop(now)
      await api.close()
      await stack.stop()
      await scratch.remove()
    },
  }
}

/** As bytes on the wire; a token that is undefined is not shown. */
export function request(
  method: string,
  target: string,
  token: string | undefined,
  more: readonly string[] = [],
  body = '',
): string {
  const head = [`${method} ${target} HTTP/1.1`, ...(token ? [`Authorization: Bearer ${token}`] : []), ...more]
  const host = more.some((line) => /^host:/i.test(line)) ? [] : ['Host: game.example.org']
  return `${[...head, ...host].join('\r\n')}\r\n\r\n${body}`
}

export async function ask(server: { port: number }, bytes: string): Promise<RawAnswer> {
  const answer = await askOnce(server.port, bytes)
  if (!answer) throw new Error('the connection was closed without an answer')
  return answer
}

/** An answer apart from what is another each time. @param ids whether its request id is the client's own. */
export function same({ status, headers, text }: RawAnswer, ids = false) {
  const kept = [...headers].filter(([name]) => name !== 'date' && (ids || name !== 'x-request-id'))
  return { status, headers: Object.fromEntries(kept), text }
}
