// Which shared libraries a program needs, asked of its own loader rather than of this machine's.
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'
import { run } from '../stack/command.ts'

/** Where programs expect the loader: it is written into each of them. */
const loaders: Readonly<Record<string, string>> = {
  x64: 'lib64/ld-linux-x86-64.so.2',
  arm64: 'lib/ld-linux-aarch64.so.1',
}

export interface Libraries {
  /** The loader's place in the image, and its file. */
  loader: { place: string; file: string }
  /** All that the programs are linked to, directly or not; they are found in /lib by name. */
  files: readonly string[]
}

/** All files of an unpacked tree, relative to it. */
export function filesOf(tree: string, folder = ''): string[] {
  return readdirSync(join(tree, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesOf(tree, path) : [path]
  })
}

export async function librariesOf(
  programs: readonly string[],
  tree: string,
  files: readonly string[],
): Promise<Libraries> {
  const place = loaders[process.arch]
  if (place === undefined) {
    throw new ArmadaError(
      'unavailable',
      `no quickstart image can be built on ${process.arch}, only on x64 and arm64`,
    )
  }
  const name = place.slice(place.lastIndexOf('/') + 1)
  const candidates = files.filter((file) => file.endsWith(`/${name}`)).map((file) => join(tree, file))
  // Packages hold a link beside the file itself, and the link may point out of the tree.
  const loader = candidates.find((file) => pointsInto(tree, file))
  if (loader === undefined) throw new ArmadaError('internal', `no loader ${name} among the unpacked packages`)
  const folders = [
    ...new Set(files.filter((file) => /\.so(\.|$)/.test(file)).map((file) => join(tree, dirname(file)))),
  ]
  const found = new Set<string>()
  for (const program of programs) {
    const listed = await run(loader, ['--library-path', folders.join(':'), '--list', program])
    if (!listed.ok)
      throw new ArmadaError('internal', `the libraries of ${program} cannot be listed: ${listed.stderr}`)
    for (const [, file] of listed.stdout.matchAll(/=> (\/\S+) \(/g)) if (file !== undefined) found.add(file)
    const missing = /^\s*(\S+) => not found/m.exec(listed.stdout)
    if (missing !== null)
      throw new ArmadaError('internal', `${program} needs ${missing[1]}, which no package has`)
  }
  return { loader: { place, file: loader }, files: [...found] }
}

function pointsInto(tree: string, file: string): boolean {
  return existsSync(file) && realpathSync(file).startsWith(`${realpathSync(tree)}/`)
}
