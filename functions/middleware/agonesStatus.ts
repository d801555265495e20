// Errors as the REST gateway of Agones' allocator tells them: a status of gRPC.
import { type AgonesStatus, grpcCodes } from '../../shared/api/agonesAllocation.ts'
import type { ArmadaError } from '../../shared/errors.ts'

/** @param known headers of the problem. */
export function agonesProblemOf(error: ArmadaError, known: Headers): { text: string; headers: Headers } {
  const { code, status, message: detail } = error
  // Matchmakers may look for the words.
  const message = code === 'none_free' ? 'there is no available GameServer to allocate' : detail
  const body: AgonesStatus = { code: grpcCodes[status], message, details: [], status, detail }
  const headers = new Headers(known)
  headers.set('content-type', 'application/json')
  return { text: JSON.stringify(body), headers }
}
