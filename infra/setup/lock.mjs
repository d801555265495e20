// One set-up at a time in a folder: a second one waits for the first.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { say } from './report.mjs'

/** Returns the function that unlocks. A lock whose owner is dead is taken over. */
export async function lockFolder(folder) {
  const file = join(folder, 'setup.lock')
  let told = false
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const owner = ownerOf(file)
    if (owner === undefined) continue
    if (!existsSync(`/proc/${owner}`)) {
      rmSync(file, { force: true })
      continue
    }
    if (!told) say(`waiting for the set-up that runs already (process ${owner})`)
    told = true
    await sleep(200)
  }
}

/** Undefined when the lock has just been given up. */
function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
