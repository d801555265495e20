// A few words with a Docker engine over its API, without a library: enough to set up and to clean up.
import { type IncomingMessage, request } from 'node:http'
import type { Readable } from 'node:stream'
import { ArmadaError } from '../../shared/errors.ts'

/** Where an engine listens; the same shape as dockerode's options. */
export type EngineAddress = { socketPath: string } | { host: string; port: number }

export const systemSocket = '/var/run/docker.sock'

/** The address that `DOCKER_HOST` holds: unix:///path or tcp://host:port. */
export function parseDockerHost(value: string): EngineAddress {
  if (value.startsWith('unix://')) return { socketPath: value.slice('unix://'.length) }
  const [, host, port = '2375'] = /^(?:tcp|http):\/\/([^:/]+)(?::(\d+))?\/?$/.exec(value) ?? []
  if (host !== undefined) return { host, port: Number(port) }
  throw new ArmadaError('invalid_request', `DOCKER_HOST=${value} is neither unix:///path nor tcp://host:port`)
}

export interface EngineReply {
  status: number
  body: string
}

export interface EngineRequest {
  method?: 'GET' | 'POST' | 'DELETE'
  path: string
  json?: unknown
  /** Streamed as the body, for example a tar archive. */
  body?: Readable
  limitMs?: number
}

/** One request; any status is an answer, only silence is an error. */
export async function askEngine(engine: EngineAddress, options: EngineRequest): Promise<EngineReply> {
  const { method = 'GET', path, json, body, limitMs = 10_000 } = options
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = body
      ? { 'content-type': 'application/x-tar' }
      : json
        ? { 'content-type': 'application/json' }
        : {}
    const signal = AbortSignal.timeout(limitMs)
    const sent = request({ ...engine, method, path, headers, signal, agent: false }, resolve)
    sent.once('error', reject)
    if (body === undefined) sent.end(json === undefined ? undefined : JSON.stringify(json))
    else body.once('error', (error) => sent.destroy(error)).pipe(sent)
  })
  let text = ''
  response.setEncoding('utf8')
  for await (const part of response) text += part
  return { status: response.statusCode ?? 0, body: text }
}

/** Like `askEngine`, and an answer of 400 or more is an error with the engine's own words. */
export async function tellEngine(engine: EngineAddress, options: EngineRequest): Promise<string> {
  const { status, body } = await askEngine(engine, options)
  if (status < 400) return body
  throw new ArmadaError(
    'unavailable',
    `Docker refused ${options.method ?? 'GET'} ${options.path}: ${body.trim()}`,
  )
}

export async function engineAnswers(engine: EngineAddress, limitMs = 500): Promise<boolean> {
  try {
    return (await askEngine(engine, { path: '/_ping', limitMs })).status === 200
  } catch {
    return false
  }
}

export interface ContainerLine {
  Image: string
  Id: string
  State: string
  Names: string[]
  Labels: Record<string, string>
  Ports: { PublicPort?: number }[]
}

/** All containers, or those with a label (`key` or `key=value`). */
export async function listContainers(engine: EngineAddress, label?: string): Promise<ContainerLine[]> {
  const filters =
    label === undefined ? '' : `&filters=${encodeURIComponent(JSON.stringify({ label: [label] }))}`
  return JSON.parse(
    await tellEngine(engine, { path: `/containers/json?all=true${filters}` }),
  ) as ContainerLine[]
}

/** Stops containers, a few at a time: more in parallel only makes each slower. */
export async function stopContainers(
  engine: EngineAddress,
  ids: readonly string[],
  graceSeconds: number,
): Promise<void> {
  await eachOf(ids, 8, async (id) => {
    const limitMs = (graceSeconds + 20) * 1_000
    await askEngine(engine, { method: 'POST', path: `/containers/${id}/stop?t=${graceSeconds}`, limitMs })
    // The engine answers before it has saved the exit code, and this only after: killed between the two, it
    // would report 255 at its next start.
    await askEngine(engine, { path: `/containers/${id}/json` })
  })
}

export async function removeContainers(engine: EngineAddress, ids: readonly string[]): Promise<void> {
  await eachOf(ids, 8, async (id) => {
    await askEngine(engine, {
      method: 'DELETE',
      path: `/containers/${id}?force=true&v=true`,
      limitMs: 30_000,
    })
  })
}

async function eachOf(
  ids: readonly string[],
  abreast: number,
  act: (id: string) => Promise<void>,
): Promise<void> {
  const left = [...ids]
  const lane = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) await act(id)
  }
  await Promise.all(Array.from({ length: abreast }, lane))
}
