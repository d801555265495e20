// Ends everything that runs out of a state folder, and deletes the folder.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { clearDockerd } from './dockerd.ts'
import { endLeftover, readMark } from './leftover.ts'

/** Ends the servers and engines of a killed run in `dir` and below; returns the folders of those it ended. */
export async function endAllIn(dir: string, depth = 3): Promise<string[]> {
  const ended: string[] = []
  if (!existsSync(dir)) return ended
  if (existsSync(join(dir, 'dockerd')) && existsSync(join(dir, 'containerd'))) {
    return (await clearDockerd(dir)) ? [dir] : []
  }
  if (readMark(dir) !== undefined && (await endLeftover(dir))) ended.push(dir)
  if (depth === 0) return ended
  const folders = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const folder of folders) ended.push(...(await endAllIn(join(dir, folder.name), depth - 1)))
  return ended
}

export async function wipe(dir: string): Promise<string[]> {
  const ended = await endAllIn(dir)
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
  return ended
}
