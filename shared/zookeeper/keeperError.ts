// What ZooKeeper or the way to it answers when it does not do what was asked.

/** ZooKeeper's return code -> our code, and whether the request may have taken effect all the same. */
const answers = {
  [-4]: ['connection_loss', true],
  [-7]: ['timeout', true],
  [-8]: ['bad_arguments', false],
  [-9]: ['session_lost', false],
  [-101]: ['no_node', false],
  [-102]: ['no_auth', false],
  [-103]: ['bad_version', false],
  [-108]: ['ephemeral_parent', false],
  [-110]: ['node_exists', false],
  [-111]: ['not_empty', false],
  [-112]: ['session_lost', true],
  [-115]: ['no_auth', false],
  [-116]: ['connection_loss', true],
} as const

export type KeeperCode = (typeof answers)[keyof typeof answers][0] | 'closed' | 'too_large' | 'system'

export class KeeperError extends Error {
  readonly code: KeeperCode
  /** True when the connection gave out under the request: a write may or may not have happened. */
  readonly unknown: boolean

  constructor(code: KeeperCode, unknown: boolean, request: string) {
    const hint = code === 'no_auth' ? ' (is ARMADA_ZOOKEEPER_SECRET the same for all processes?)' : ''
    super(`ZooKeeper: ${code} for ${request}${unknown ? ' (it may have taken effect)' : hint}`)
    this.name = 'KeeperError'
    this.code = code
    this.unknown = unknown
  }

  /** True when the way to ZooKeeper failed, not the request: the same request may succeed later. */
  get passing(): boolean {
    return this.unknown || this.code === 'connection_loss' || this.code === 'session_lost'
  }

  static from(returnCode: number, request: string): KeeperError {
    const [code, unknown] = answers[returnCode as keyof typeof answers] ?? ['system', true]
    return new KeeperError(code, unknown, request)
  }
}

export function isKeeper(error: unknown, ...codes: KeeperCode[]): error is KeeperError {
  return error instanceof KeeperError && (codes.length === 0 || codes.includes(error.code))
}

/** True for errors after which the same request may be sent again, once the session is connected. */
export function isPassing(error: unknown): boolean {
  return error instanceof KeeperError && error.passing
}
