// What must hold before an ApiServer may be reached from other machines: no secret that can be guessed.
import ipaddr from 'ipaddr.js'

/** Of 32 random hexadecimal digits, fewer are different three times in a million. */
const leastDifferent = 9
const guessed = /^(test|example|default|demo)\b|change-?me|password|0123456789|abcdefgh/i

/**
 * @param secrets by the names of their settings; undefined: not set.
 * @throws Error that names every secret which can be guessed, unless the ApiServer listens on loopback only.
 */
export function assertSafeToExpose(
  listenHost: string,
  secrets: Readonly<Record<string, string | undefined>>,
): void {
  if (isLoopback(listenHost)) return
  const seen = new Map<string, string>()
  const wrong: string[] = []
  for (const [name, secret] of Object.entries(secrets)) {
    if (secret === undefined) continue
    const twin = seen.get(secret)
    if (twin) wrong.push(`${name} is the same as ${twin}`)
    else if (isWeak(secret)) wrong.push(`${name} can be guessed`)
    seen.set(secret, name)
  }
  if (wrong.length === 0) return
  throw new Error(
    `Armada (api) does not listen on ${listenHost}, where others can reach it:\n  ${wrong.join('\n  ')}\nMake random secrets, for instance with: openssl rand -base64 32`,
  )
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback')
}

function isWeak(secret: string): boolean {
  return new Set(secret).size < leastDifferent || guessed.test(secret)
}
