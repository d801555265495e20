// Everything that must be there before the first line of ours can run: programs, packages, the build.
//
// Runs on a machine with Node and nothing else, so it imports nothing but Node and its neighbours in setup/.
// When all is there it takes a fraction of a second and says nothing.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, isBuilt } from './build.mjs'
import { lockFolder } from './setup/lock.mjs'
import { installNodeModules, needsCompiler } from './setup/modules.mjs'
import { installPrograms, missingPrograms, outdatedPrograms } from './setup/programs.mjs'
import { explain, openLog, SetupError, say } from './setup/report.mjs'

const oldestNode = [20, 18, 1]

function checkNode() {
  const version = process.versions.node.split('.').map(Number)
  const difference = oldestNode.map((part, at) => version[at] - part).find((part) => part !== 0) ?? 0
  if (difference >= 0) return
  throw new SetupError(
    `Armada needs Node ${oldestNode.join('.')} or newer, and this is ${process.versions.node}.`,
    'Install a current Node (20, 22 or later) and run the same command again.',
  )
}

async function setUp(root, forTests) {
  checkNode()
  if (process.platform !== 'linux') {
    throw new SetupError(
      `Armada runs its servers on Linux, and this is ${process.platform}.`,
      'Use a Debian or Ubuntu machine, virtual or real.',
    )
  }
  const state = join(root, '.armada')
  mkdirSync(state, { recursive: true })
  const unlock = await lockFolder(state)
  try {
    openLog(join(state, 'setup.log'))
    const compiler = needsCompiler(root)
    const missing = await missingPrograms({ compiler, forTests })
    if (missing.length > 0) await installPrograms(missing)
    outdatedPrograms({ forTests })
    await installNodeModules(root)
    if (!isBuilt()) {
      say('building')
      await build()
    }
  } finally {
    unlock()
  }
}

try {
  await setUp(
    join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..'),
    process.argv.includes('--tests'),
  )
} catch (error) {
  explain(error)
  process.exitCode = 1
}
