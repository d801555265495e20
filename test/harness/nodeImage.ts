// An image of this machine's Node with some packages of this repository and one script: built without a registry.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { run } from '../../infra/stack/command.ts'
import { type EngineAddress, tellEngine } from '../../infra/stack/engine.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'

const root = join(import.meta.dirname, '../..')

/** Imports `image`; its containers run the script. */
export async function importNodeImage(
  engine: EngineAddress,
  image: string,
  { script, packages }: { script: string; packages: readonly string[] },
): Promise<void> {
  const scratch = await scratchDir('disk')
  const tree = join(scratch.dir, 'tree')
  try {
    for (const folder of ['bin', 'etc', 'tmp', 'node_modules'])
      mkdirSync(join(tree, folder), { recursive: true })
    cpSync(realpathSync(process.execPath), join(tree, 'bin/node'))
    const { stdout } = await run('ldd', [process.execPath])
    for (const [, file = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      const place = file.includes('ld-linux') ? file : join('/lib', basename(file))
      mkdirSync(join(tree, dirname(place)), { recursive: true })
      cpSync(realpathSync(file), join(tree, place))
    }
    writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n')
    writeFileSync(join(tree, 'etc/nsswitch.conf'), 'hosts: files dns\n')
    writeFileSync(join(tree, 'main.cjs'), script)
    for (const name of closureOf(packages)) {
      cpSync(join(root, 'node_modules', name), join(tree, 'node_modules', name), { recursive: true })
    }
    const tar = spawn('tar', ['-C', tree, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [repository = '', tag = ''] = image.split(':')
    const changes = ['ENV PATH=/bin LD_LIBRARY_PATH=/lib', 'ENTRYPOINT ["/bin/node", "/main.cjs"]']
    const query = new URLSearchParams({ fromSrc: '-', repo: repository, tag })
    for (const change of changes) query.append('changes', change)
    const body = Readable.from(tar.stdout)
    await tellEngine(engine, { method: 'POST', path: `/images/create?${query}`, body, limitMs: 60_000 })
  } finally {
    await scratch.remove()
  }
}

/** The packages and all that they need, as they stand at the top of node_modules. */
function closureOf(packages: readonly string[]): Set<string> {
  const all = new Set(packages)
  for (const name of all) {
    const file = join(root, 'node_modules', name, 'package.json')
    if (!existsSync(file)) continue
    const { dependencies = {} } = JSON.parse(readFileSync(file, 'utf8')) as { dependencies?: object }
    for (const other of Object.keys(dependencies)) {
      if (existsSync(join(root, 'node_modules', other))) all.add(other)
    }
  }
  return all
}
