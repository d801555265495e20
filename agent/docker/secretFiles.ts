// Secrets of ships as files: one folder a ship and attempt, on a file system of the host that is in memory.
//
// INVARIANTS
// - Nothing is written unless the folder is in memory.
// - A file is readable for the ship's user alone, and the folder above for the agent alone.
import { chown, mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type Dockerode from 'dockerode'
import type { Grant } from '../../shared/model/grant.ts'
import type { ShipAttempt } from '../roster.ts'

const inMemory: readonly number[] = [0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]

export class SecretFiles {
  readonly #dir: string

  /** @param dir of this host alone. */
  constructor(dir: string) {
    this.#dir = dir
  }

  /** Writes the files of a ship that is about to start, anew if they are there. @throws Error that says what to do. */
  async put(grant: Grant, values: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const { type } = await statfs(this.#dir)
    if (!inMemory.includes(Number(type))) {
      throw new Error(
        `its secrets cannot be kept in memory: ${this.#dir} is not on a tmpfs; ARMADA_SECRETS_DIR names another folder`,
      )
    }
    await this.drop(grant)
    const folder = join(this.#dir, folderOf(grant))
    await mkdir(folder, { mode: 0o700 })
    const [uid = 0, gid = uid] = (grant.spec.user ?? '').split(':').filter(Boolean).map(Number)
    for (const [i, { name }] of grant.spec.secrets.entries()) {
      const file = join(folder, String(i))
      await writeFile(file, values[name] ?? '', { mode: 0o400, flag: 'wx' })
      if (grant.spec.user) await chown(file, uid, gid)
    }
  }

  async drop(of: ShipAttempt): Promise<void> {
    await rm(join(this.#dir, folderOf(of)), { recursive: true, force: true })
  }

  /** Removes what earlier agents left of ships that are not there any more. */
  async sweep(isAboard: (of: ShipAttempt) => boolean): Promise<void> {
    const folders = await readdir(this.#dir).catch(() => [])
    for (const folder of folders) {
      const [ship = '', attempt] = folder.split('.')
      const of = { ship, attempt: Number(attempt) }
      if (folder === folderOf(of) && !isAboard(of)) await this.drop(of)
    }
  }
}

/** @param dir as SecretFiles was given it. */
export function secretMounts(grant: Grant, dir: string): Dockerode.MountSettings[] {
  return grant.spec.secrets.map(({ path }, i) => ({
    Type: 'bind',
    Source: join(dir, folderOf(grant), String(i)),
    Target: path,
    ReadOnly: true,
  }))
}

/** No name of a ship has a dot. */
function folderOf({ ship, attempt }: ShipAttempt): string {
  return `${ship}.${attempt}`
}
