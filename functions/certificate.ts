// The certificate of the ApiServer: read from two files, and read again when they change.
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { Bell, loop } from '../shared/loop.ts'

/** Certificate with its chain, and key, as PEM. */
export interface Pair {
  cert: Buffer
  key: Buffer
}

export class Certificate {
  readonly #files: { cert: string; key: string }
  readonly #log: Log
  readonly #bell = new Bell()
  #listeners: ((pair: Pair) => void)[] = []
  #changed: string
  #current: Pair

  /** @throws when the files cannot be read or do not belong together. */
  constructor(files: { cert: string; key: string }, log: Log) {
    this.#files = files
    this.#log = log
    this.#changed = this.#stamp()
    this.#current = this.#read()
  }

  get current(): Pair {
    return this.#current
  }

  /** New connections get the new one; those that are open go on. */
  onChange(listener: (pair: Pair) => void): void {
    this.#listeners.push(listener)
  }

  /** Looks now, whatever the files' times say. */
  reload = (): void => {
    this.#changed = ''
    this.#bell.ring()
  }

  /** Looks every few seconds whether the files have changed, until the signal fires. */
  follow(signal: AbortSignal, everyMs = 5_000): void {
    const log = this.#log
    void loop({ name: 'certificate', everyMs, signal, log, bell: this.#bell }, async () => this.#look())
  }

  #look(): void {
    const stamp = this.#stamp()
    if (stamp === this.#changed) return
    // Remembered first: a bad pair is told of once, and tried again when a file changes.
    this.#changed = stamp
    try {
      this.#current = this.#read()
      for (const listener of this.#listeners) listener(this.#current)
      this.#log.info(this.#files, 'the certificate was read again')
    } catch (error) {
      this.#log.error(
        { ...this.#files, error: messageOf(error) },
        'the new certificate cannot be used; the old one stays',
      )
    }
  }

  #read(): Pair {
    const pair = { cert: readFileSync(this.#files.cert), key: readFileSync(this.#files.key) }
    createSecureContext(pair)
    return pair
  }

  #stamp(): string {
    return [this.#files.cert, this.#files.key]
      .map((file) => statSync(file, { throwIfNoEntry: false }))
      .map((stat) => `${stat?.ino} ${stat?.mtimeMs} ${stat?.size}`)
      .join(', ')
  }
}
