// Where an engine of our own keeps its things, and the marks by which they are known as its own.
import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { EngineMarks } from './remains.ts'

export interface EnginePlaces {
  id: string
  dir: string
  /** Short and on a file system of the machine: a socket's path has at most 107 characters. */
  runDir: string
  socketPath: string
  marks: EngineMarks
}

export function placesOf(givenDir: string): EnginePlaces {
  mkdirSync(givenDir, { recursive: true })
  const dir = realpathSync(givenDir)
  const id = createHash('sha256').update(dir).digest('hex').slice(0, 8)
  const runDir = `/run/armada-${id}`
  const containerdSocket = join(runDir, 'containerd.sock')
  const marks = { cgroupParent: `armada-${id}`, containerdSocket, folders: [dir, runDir] }
  return { id, dir, runDir, socketPath: join(runDir, 'docker.sock'), marks }
}
