// The credential of this host: got once for a join token, then kept in a file that only its owner reads.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answerOf, connect } from '../shared/api/client.ts'
import { ArmadaError, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { backoffMs, sleep } from '../shared/loop.ts'
import type { HostDescription } from '../shared/model/host.ts'

export interface CredentialOptions {
  stateDir: string
  url: string
  joinToken: string | undefined
  host: HostDescription
  signal: AbortSignal
  log: Log
}

interface Kept {
  host: string
  credential: string
  /** Of the token it was got for: a new token means that somebody wants this host to join anew. */
  tokenDigest: string
}

/**
 * The kept credential, or one got for the join token; asks until the ApiServer answers.
 * @throws ArmadaError when there is neither, or the token is refused.
 */
export async function credentialOf(options: CredentialOptions): Promise<string> {
  const { stateDir, joinToken, host, log } = options
  const file = join(stateDir, 'credential.json')
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const kept = await readKept(file)
  const tokenDigest = createHash('sha256')
    .update(joinToken ?? '')
    .digest('hex')
  const isNew = joinToken !== undefined && kept?.tokenDigest !== tokenDigest
  if (kept?.host === host.id && !isNew) return kept.credential
  if (joinToken === undefined) {
    throw new ArmadaError(
      'unauthenticated',
      `This host has not joined: ${file} holds no credential for "${host.id}". Make a token (POST /v1/hosts/join-tokens) and start the agent with ARMADA_JOIN_TOKEN.`,
    )
  }
  const credential = await joinWith(joinToken, options)
  const value: Kept = { host: host.id, credential, tokenDigest }
  await writeFile(`${file}.new`, JSON.stringify(value), { mode: 0o600 })
  await rename(`${file}.new`, file)
  log.info({ file }, 'joined')
  return credential
}

/**
 * Asks before this host shows itself to the others. While no ApiServer answers, its ships are looked after as before.
 * @throws ArmadaError unauthenticated when the host was removed from the cluster.
 */
export async function assertKnown(url: string, token: string, id: string): Promise<void> {
  const api = connect({ url, token, limitMs: 2_000 })
  try {
    await answerOf(api.v1.monitor.claims.$post({ json: { claims: [] } }))
  } catch (error) {
    if (!(error instanceof ArmadaError) || error.code !== 'unauthenticated') return
    throw new ArmadaError(
      'unauthenticated',
      `Host "${id}" was removed from the cluster. Make a token (POST /v1/hosts/join-tokens) and start the agent with ARMADA_JOIN_TOKEN to join again.`,
      { cause: error },
    )
  }
}

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Kept
  } catch {
    return undefined
  }
}

async function joinWith(token: string, { url, host, signal, log }: CredentialOptions): Promise<string> {
  const api = connect({ url })
  for (let failures = 0; ; failures++) {
    try {
      const { credential } = await answerOf(api.v1.monitor.join.$post({ json: { token, host } }))
      return credential
    } catch (error) {
      if (signal.aborted || !(error instanceof ArmadaError) || !error.retryable) throw error
      log.warn({ error: messageOf(error) }, 'cannot join yet')
      await sleep(200 + backoffMs(failures, 200, 5_000), signal)
    }
  }
}
