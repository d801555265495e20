// Holds every answer against the API's document: status, content type and body.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Document } from '../../../functions/docs/document.ts'
import type { Outcome } from './send.ts'

/** They ask the agent of a ship's host, or the scheduler. The fuzz has none, and so `unavailable` is the truth. */
const needOthers = new Set([
  ...['GET /v1/ships/{ship}/logs', 'POST /v1/ships/{ship}/console'],
  ...['POST /v1/placements/simulate', 'GET /v1/placements/defragmentation'],
])

export class Judge {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true })
  readonly #validators = new Map<string, ValidateFunction>()

  constructor(document: Document) {
    addFormats.default(this.#ajv)
    this.#ajv.addSchema(document, 'api')
  }

  /** What is wrong with an answer, and of which route; undefined when all is well. */
  fault({ shot: { target, onTarget }, status, contentType, text, sent }: Outcome): string | undefined {
    const of = `${target.method} ${target.path}`
    if (status >= 500 && !(status === 503 && needOthers.has(of))) return `a ${status} of ${of}`
    const type = contentType.split(';')[0] ?? ''
    if (sent.method === 'HEAD') return text === '' ? undefined : 'a body in the answer to HEAD'
    if (!onTarget) {
      if (status < 400) return undefined
      return type === 'application/problem+json'
        ? this.#misfit('/components/schemas/Problem', text, status)
        : `a ${type} for a ${status}`
    }
    const documented = target.operation.responses[status]
    if (!documented) return `${status} is not documented for ${of}`
    const media = documented.content?.[type]
    if (!media) return `${type} is not documented for ${status} of ${of}`
    if (!type.endsWith('json')) return undefined
    const where = [
      'paths',
      target.path,
      target.method.toLowerCase(),
      'responses',
      String(status),
      'content',
      type,
      'schema',
    ]
    return this.#misfit(`/${where.map(escaped).join('/')}`, text, status)
  }

  #misfit(pointer: string, text: string, status: number): string | undefined {
    const validate = this.#validators.get(pointer) ?? this.#ajv.compile({ $ref: `api#${pointer}` })
    this.#validators.set(pointer, validate)
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      return 'the body is not JSON'
    }
    if (!validate(body)) {
      const [error] = validate.errors ?? []
      return `the body does not fit: ${error?.instancePath} ${error?.message} ${JSON.stringify(error?.params)}`
    }
    const problem = body as { status?: unknown }
    if (status >= 400 && 'code' in (body as object) && problem.status !== status)
      return 'a problem of another status'
    return undefined
  }
}

function escaped(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))
}
