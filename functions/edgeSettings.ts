// The settings of the edge: some of the ApiServer's, under the same names, as vars and secrets of a Worker.
import type { ZodType } from 'zod'
import { settings } from '../shared/settings.ts'

export interface EdgeSettings {
  logLevel: string
  api: string
  etcd: string
  /** Undefined where Redis cannot be reached from the edge. */
  redis: string | undefined
  /** Undefined where admins have tokens that were made. */
  adminToken: string | undefined
  runnerToken: string
}

/** Reads them all, or names every one that is missing or wrong, and what it is for. */
export function readEdgeSettings(bindings: Record<string, unknown>): EdgeSettings | { wrong: string[] } {
  const wrong: string[] = []
  const { logLevel, api, etcd, redis, adminToken, runnerToken } = settings
  const read = {
    logLevel: value(logLevel),
    api: value(api),
    etcd: value(etcd),
    redis: value({ ...redis, schema: redis.schema.optional() }),
    adminToken: value(adminToken),
    runnerToken: value(runnerToken),
  }
  return wrong.length > 0 ? { wrong } : read

  function value<T>({ env, schema, about }: { env: string; schema: ZodType<T>; about: string }): T {
    const raw = bindings[env] === '' ? undefined : bindings[env]
    const { data, error } = schema.safeParse(raw)
    const reason = raw === undefined ? 'is not set' : error?.issues.map((issue) => issue.message).join(', ')
    if (error) wrong.push(`${env} ${reason} (${about})`)
    return data as T
  }
}
