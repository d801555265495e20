// npm's packages as the lock file wants them, with the ZooKeeper client compiled for this Node.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { runLogged, say } from './report.mjs'

function stampFile(root) {
  return join(root, 'node_modules', '.armada-setup.json')
}

/** The stamp says for which lock file and for which Node the packages were installed. */
function wantedStamp(root) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  return JSON.stringify({ lock, modules: process.versions.modules, arch: process.arch })
}

function isStamped(root) {
  try {
    return readFileSync(stampFile(root), 'utf8') === wantedStamp(root)
  } catch {
    return false
  }
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Whether somebody ran npm themselves and it holds what the lock file wants. */
function matchesLock(root) {
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages
  const wanted = readJson(join(root, 'package-lock.json'))?.packages
  if (installed === undefined || wanted === undefined) return false
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  )
}

/** npm 12 leaves packages uncompiled without a word; a compiled one fits only the Node it was made for. */
function isCompiled(root) {
  try {
    const stamp = readJson(stampFile(root))
    if (stamp !== undefined && stamp.modules !== process.versions.modules) return false
    return readdirSync(join(root, 'node_modules/zookeeper/build/Release')).some((name) =>
      name.endsWith('.node'),
    )
  } catch {
    return false
  }
}

export function needsCompiler(root) {
  return !isCompiled(root) || !(isStamped(root) || matchesLock(root))
}

/** The npm that started us, or the one on the path. */
function npm() {
  const given = process.env.npm_execpath
  return given?.endsWith('.js') && existsSync(given) ? [process.execPath, [given]] : ['npm', []]
}

function compileEnvironment() {
  const prefix = dirname(dirname(process.execPath))
  const hasHeaders = existsSync(join(prefix, 'include/node/node.h'))
  return {
    // Else every child process inherits the connection to ZooKeeper, and a broken one keeps the event loop busy.
    with_sock_cloexec: 'yes',
    MAKEFLAGS: process.env.MAKEFLAGS ?? `-j${availableParallelism()}`,
    // Saves the download of Node's headers where Node came with them.
    ...(hasHeaders && process.env.npm_config_nodedir === undefined && { npm_config_nodedir: prefix }),
  }
}

export async function installNodeModules(root) {
  if (isStamped(root) && isCompiled(root)) return
  const [command, first] = npm()
  const options = { cwd: root, env: compileEnvironment() }
  if (!matchesLock(root)) {
    say('installing packages with npm')
    const advice =
      'npm must be able to reach a package registry. After a failed compilation look further up in the log.'
    await runLogged(command, [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=http'], {
      ...options,
      title: 'npm ci',
      advice,
    })
  }
  if (!isCompiled(root)) {
    say('compiling the ZooKeeper client')
    await runLogged(command, [...first, 'rebuild', 'zookeeper', '--foreground-scripts'], {
      ...options,
      title: 'npm rebuild zookeeper',
    })
  }
  writeFileSync(stampFile(root), wantedStamp(root))
}
