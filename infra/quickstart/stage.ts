// The file system of a game's image: the server, what it is linked to, its data, a shell, and nothing else.
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'
import { run } from '../stack/command.ts'
import type { Game } from './games.ts'
import { filesOf, librariesOf } from './libraries.ts'

const system: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/:/bin/sh\ngame:x:1000:1000:game:/tmp:/bin/sh\n',
  'etc/group': 'root:x:0:\ngame:x:1000:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
}

/** Puts together the root folder of the image out of unpacked packages; returns it. */
export async function stageGame(game: Game, tree: string, work: string): Promise<string> {
  const root = mkdtempSync(join(work, 'root-'))
  const files = filesOf(tree)
  const busybox = find(files, tree, 'bin/busybox')
  const program = find(files, tree, game.program)
  const place = (file: string, path: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    copyFileSync(file, join(root, path))
  }
  place(busybox, 'bin/busybox')
  symlinkSync('busybox', join(root, 'bin/sh'))
  if (program !== busybox) {
    place(program, `bin/${basename(program)}`)
    const plugins = game.plugins.map((pattern) => find(files, tree, pattern))
    const libraries = await librariesOf([program, ...plugins], tree, files)
    place(libraries.loader.file, libraries.loader.place)
    for (const file of libraries.files) place(file, `lib/${basename(file)}`)
  }
  for (const [from, to] of Object.entries(game.data)) copyData(tree, files, from, join(root, to))
  if (game.unpack !== undefined) await unpack(busybox, game.unpack, tree, root)
  for (const [path, text] of Object.entries({ ...system, ...game.files, 'bin/start': game.start })) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const folder of ['tmp', ...game.folders]) mkdirSync(join(root, folder), { recursive: true })
  await openToAll(root)
  return root
}

/** A file by its path or pattern, with /usr before it or not: distributions moved /bin and /lib there one by one. */
function find(files: readonly string[], tree: string, pattern: string): string {
  const matches = matcher(pattern.replace(/^usr\//, ''))
  const found = files.find((file) => matches(file.replace(/^usr\//, '')))
  if (found === undefined) throw new ArmadaError('internal', `no package has ${pattern}`)
  return join(tree, found)
}

function matcher(pattern: string): (path: string) => boolean {
  const expression = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')
  const whole = new RegExp(`^${expression}$`)
  return (path) => whole.test(path)
}

function copyData(tree: string, files: readonly string[], from: string, to: string): void {
  if (from.includes('*')) {
    const file = find(files, tree, from)
    mkdirSync(to, { recursive: true })
    copyFileSync(file, join(to, basename(file)))
  } else {
    cpSync(join(tree, from), to, { recursive: true })
  }
}

async function unpack(
  busybox: string,
  wanted: NonNullable<Game['unpack']>,
  tree: string,
  root: string,
): Promise<void> {
  const into = join(root, wanted.into)
  mkdirSync(into, { recursive: true })
  const args = ['unzip', '-q', '-o', join(tree, wanted.archive), ...wanted.members, '-d', into]
  const unzipped = await run(busybox, args)
  if (!unzipped.ok)
    throw new ArmadaError('internal', `${wanted.archive} cannot be unpacked: ${unzipped.stderr}`)
}

/** Whoever builds, with whatever umask: everything is readable by the game's user, and nothing but /tmp writable. */
async function openToAll(root: string): Promise<void> {
  await run('chmod', ['-R', 'u=rwX,go=rX', root])
  chmodSync(join(root, 'tmp'), 0o1777)
}
