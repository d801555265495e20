// Problem documents as clients read them.
import { ArmadaError, type ProblemCode, problems } from '../errors.ts'
import type { Problem } from './route.ts'

/** The error that an answer which is no success carries. */
export function errorOf(status: number, text: string): ArmadaError {
  const problem = parseProblem(text)
  const code: ProblemCode = problem?.code ?? (status >= 500 ? 'unavailable' : 'invalid_request')
  return new ArmadaError(
    code in problems ? code : 'internal',
    problem?.detail ?? `HTTP ${status}: ${text.slice(0, 200)}`,
    {
      ...(problem?.issues && { issues: problem.issues }),
    },
  )
}

function parseProblem(text: string): Problem | undefined {
  try {
    return JSON.parse(text) as Problem
  } catch {
    return undefined
  }
}
