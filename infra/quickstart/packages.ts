// Fetching and unpacking Debian or Ubuntu packages without installing them, as any user.
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ArmadaError } from '../../shared/errors.ts'
import { type Outcome, run } from '../stack/command.ts'

/**
 * apt is told that nothing is installed, so that it fetches whatever a package depends on, and is given
 * folders of its own, so that it needs no rights and leaves the machine's packages as they are.
 */
function privateApt(dir: string, lists: string | undefined): string[] {
  const status = join(dir, 'status')
  writeFileSync(status, '')
  const settings = {
    'Dir::State::status': status,
    'Dir::Cache::archives': `${join(dir, 'debs')}/`,
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'Debug::NoLocking': 'true',
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': 'false',
    'Acquire::Retries': '3',
    ...(lists !== undefined && { 'Dir::State::lists': lists }),
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}

export interface Wanted {
  /** Fetched with everything they depend on. */
  packages: readonly string[]
  /** Fetched alone. */
  lonePackages: readonly string[]
}

/** Fetches packages into `dir`; returns the .deb files. */
export async function fetchPackages(wanted: Wanted, dir: string): Promise<string[]> {
  const debs = join(dir, 'debs')
  mkdirSync(join(debs, 'partial'), { recursive: true })
  let failure = await download(wanted, dir, undefined)
  if (failure !== undefined) {
    // The machine's own lists of packages may be missing or too old, and only root may renew those.
    const lists = join(dir, 'lists')
    mkdirSync(join(lists, 'partial'), { recursive: true })
    await run('apt-get', [...privateApt(dir, lists), '-q', 'update'], 180_000)
    failure = await download(wanted, dir, lists)
  }
  if (failure !== undefined) {
    const names = [...wanted.packages, ...wanted.lonePackages].join(' ')
    throw new ArmadaError('unavailable', `apt-get cannot fetch ${names}: ${failure.stderr}`)
  }
  return readdirSync(debs)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(debs, name))
}

/** Undefined when all went well. */
async function download(
  wanted: Wanted,
  dir: string,
  lists: string | undefined,
): Promise<Outcome | undefined> {
  const apt = privateApt(dir, lists)
  const closure = await run(
    'apt-get',
    [...apt, '-qq', '-y', '--download-only', 'install', ...wanted.packages],
    300_000,
  )
  if (!closure.ok) return closure
  if (wanted.lonePackages.length === 0) return undefined
  const alone = await run(
    'apt-get',
    [...apt, '-qq', 'download', ...wanted.lonePackages],
    300_000,
    join(dir, 'debs'),
  )
  return alone.ok ? undefined : alone
}

/** Unpacks packages into one new folder under `dir`, without running anything of theirs; returns the folder. */
export async function unpackPackages(debs: readonly string[], dir: string): Promise<string> {
  const tree = mkdtempSync(join(dir, 'tree-'))
  for (const deb of debs) {
    const unpacked = await run(
      'sh',
      ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2"', 'sh', deb, tree],
      60_000,
    )
    if (!unpacked.ok) throw new ArmadaError('internal', `${deb} cannot be unpacked: ${unpacked.stderr}`)
  }
  return tree
}
