// The source files of this repository, by folder.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Paths of all .ts files below the folders, seen from the root of the repository. */
export function sourceFiles(folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name)),
  )
}
