// Forgets everything that this checkout's Armada has done: ends what still runs out of its state folder and wipes it.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../shared/errors.ts'
import {
  type EngineAddress,
  engineAnswers,
  listContainers,
  parseDockerHost,
  removeContainers,
  systemSocket,
} from './stack/engine.ts'
import { endMarked, livingMark } from './stack/leftover.ts'
import { knownStackId, localHostId } from './stack/stackId.ts'
import { endAllIn } from './stack/wipe.ts'

/** Downloads only: wiping them would cost time and change nothing. `--all` takes them too. */
const kept = ['cache']

async function reset(state: string, all: boolean): Promise<string[]> {
  if (!existsSync(state)) return ['nothing to wipe: there is no .armada folder']
  const done: string[] = []
  const owner = livingMark(state)
  if (owner !== undefined) {
    await endMarked(owner, 30_000)
    done.push(`stopped the running Armada (process ${owner.pid})`)
  }
  done.push(...(await removeShips(state)))
  for (const dir of await endAllIn(state)) done.push(`ended what was left running in ${dir}`)
  for (const name of readdirSync(state)) {
    if (all || !kept.includes(name))
      rmSync(join(state, name), { recursive: true, force: true, maxRetries: 3 })
  }
  done.push(
    all ? 'wiped .armada' : 'wiped .armada, except for downloads in .armada/cache (--all takes those too)',
  )
  return done
}

/** On an engine that is not ours only the containers of this folder's host go. Our own engine is wiped whole, with all in it. */
async function removeShips(state: string): Promise<string[]> {
  const id = knownStackId(state)
  const engine = sharedEngine()
  if (id === undefined || !(await engineAnswers(engine, 2_000))) return []
  const ships = await listContainers(engine, `armada.host=${localHostId(id)}`)
  await removeContainers(
    engine,
    ships.map((ship) => ship.Id),
  )
  return ships.length === 0 ? [] : [`removed ${ships.length} containers of this Armada from Docker`]
}

function sharedEngine(): EngineAddress {
  const { DOCKER_HOST } = process.env
  return DOCKER_HOST ? parseDockerHost(DOCKER_HOST) : { socketPath: systemSocket }
}

try {
  const root = join(import.meta.dirname, '..')
  for (const line of await reset(join(root, '.armada'), process.argv.includes('--all'))) console.log(line)
} catch (error) {
  console.error(`the reset failed: ${messageOf(error)}`)
  process.exitCode = 1
}
