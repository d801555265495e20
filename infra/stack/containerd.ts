// containerd for our own dockerd: a process of its own, so that containers survive the death of dockerd.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../shared/log.ts'
import type { EnginePlaces } from './enginePlaces.ts'
import { isListening } from './listening.ts'
import { type Revive, startServer } from './process.ts'
import type { Server } from './server.ts'

export interface ContainerdOptions {
  endWithParent?: boolean
  revive?: Revive
  log: Log
}

export async function startContainerd(places: EnginePlaces, options: ContainerdOptions): Promise<Server> {
  const { runDir, marks, dir } = places
  const home = join(dir, 'containerd')
  mkdirSync(home, { recursive: true })
  const config = join(home, 'config.toml')
  const lines = [
    'version = 2',
    `root = ${JSON.stringify(join(home, 'data'))}`,
    `state = ${JSON.stringify(join(runDir, 'containerd'))}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `  address = ${JSON.stringify(marks.containerdSocket)}`,
    '[debug]',
    '  level = "warn"',
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  return await startServer({
    name: 'containerd',
    dir: home,
    command: 'containerd',
    args: ['--config', config],
    address: `unix://${marks.containerdSocket}`,
    answers: () => isListening({ path: marks.containerdSocket }),
    beforeStart: () => {
      mkdirSync(runDir, { recursive: true, mode: 0o700 })
      rmSync(marks.containerdSocket, { force: true })
    },
    endWithParent: options.endWithParent ?? false,
    revive: options.revive ?? false,
    log: options.log,
  })
}
