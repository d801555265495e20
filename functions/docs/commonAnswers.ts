// The problems that middleware answers with: added to the document of every route that they can meet.
import { type ProblemCode, problems } from '../../shared/errors.ts'
import type { Document, Operation } from './document.ts'

/** Which requests can meet a problem, whatever their route says. */
const common: readonly [(method: string, operation: Operation) => boolean, readonly ProblemCode[]][] = [
  [
    (_, { requestBody }) => requestBody !== undefined,
    ['malformed_json', 'body_too_large', 'unsupported_media_type'],
  ],
  [(method) => method === 'post', ['conflict', 'key_reused']],
  [() => true, ['rate_limited']],
]

export function withCommonAnswers(document: Document): Document {
  const paths = Object.entries(document.paths).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods).map(([method, operation]) => [method, complete(method, operation)]),
    ),
  ])
  return { ...document, paths: Object.fromEntries(paths) }
}

function complete(method: string, operation: Operation): Operation {
  const responses: Record<string, Operation['responses'][string]> = { ...operation.responses }
  for (const code of common.flatMap(([meets, codes]) => (meets(method, operation) ? codes : []))) {
    const { status, title } = problems[code]
    const before = responses[status]?.description
    if (before?.includes(`${code}:`)) continue
    const description = `${before ? `${before}; ` : ''}${code}: ${title}`
    const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
    responses[status] = { content, ...responses[status], description }
  }
  return { ...operation, responses }
}
