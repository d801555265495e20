// Secrets that have to be read again, as they stand in etcd: sealed, when there is a key to seal them with.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

export class Seal {
  readonly #key: Buffer | undefined

  /** @param secret the key is derived from it; undefined: secrets stand as they are. */
  constructor(secret: string | undefined) {
    this.#key =
      secret === undefined ? undefined : Buffer.from(hkdfSync('sha256', secret, '', 'armada seal', 32))
  }

  /** @param place what the secret belongs to: moved to another place it cannot be opened. */
  close(text: string, place: string): string {
    if (!this.#key) return `plain:${text}`
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(place))
    const bytes = Buffer.concat([cipher.update(text), cipher.final()])
    return `sealed:${Buffer.concat([nonce, cipher.getAuthTag(), bytes]).toString('base64')}`
  }

  /** @returns undefined when it was sealed with another key, or for another place. */
  open(sealed: string, place: string): string | undefined {
    if (sealed.startsWith('plain:')) return sealed.slice('plain:'.length)
    const bytes = Buffer.from(sealed.slice('sealed:'.length), 'base64')
    if (!this.#key) return undefined
    try {
      const cipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12))
      cipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(12, 28))
      return Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]).toString()
    } catch {
      return undefined
    }
  }
}
