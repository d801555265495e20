// Starts the reset, which is built like everything else, and builds it where that has not been done.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

if (!existsSync(join(root, '.armada'))) {
  console.log('nothing to wipe: there is no .armada folder')
} else if (!existsSync(join(root, 'node_modules', 'esbuild'))) {
  console.error('run npm ci first: what is left running can only be ended with its packages there')
  process.exitCode = 1
} else {
  const { build, isBuilt } = await import('./build.mjs')
  if (!isBuilt()) await build()
  await import('../dist/reset.js')
}
