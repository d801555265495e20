// Other limits for a ship that runs, as its record says. Nothing of it ends.
//
// INVARIANTS
// - Room is taken before a ship grows and freed after it has shrunk: the ships aboard never have more than the host.
// - A change is carried out or refused once, by its number; an answer of the ApiServer that is older changes nothing.
// - After a restart the container itself says what it has.
import { messageOf } from '../../shared/errors.ts'
import type { Grant } from '../../shared/model/grant.ts'
import { allocatableOf } from '../../shared/model/host.ts'
import { shortOf } from '../../shared/model/resize.ts'
import { larger, MiB, type Resources, subtract } from '../../shared/model/resources.ts'
import { cgroupOf } from '../cgroup.ts'
import type { Details } from '../docker/engine.ts'
import { isAway } from '../docker/engineError.ts'
import { type ContainerLimits, changeTo, limitsOf, resourcesBy, sameLimits } from '../docker/limits.ts'
import { type Aboard, about } from '../roster.ts'
import type { Crew } from './crew.ts'

/** Of a smaller limit a ship may use as much already: at the limit itself the next byte ends it. */
const mostUsed = 0.9

/** @param grant with the number of the change, and the limits of that revision. @throws EngineError when it is away. */
export async function resize(crew: Crew, grant: Grant): Promise<void> {
  const { engine, roster, resizes, log } = crew
  const containerId = roster.at(grant)?.containerId
  const details = containerId ? await engine.details(containerId) : undefined
  const entry = roster.at(grant)
  // Its end is told as ever.
  if (details?.state !== 'running' || !entry || entry.ending || !isNews(entry.grant, grant)) return
  const refused = await change(crew, entry, grant, details)
  if (refused !== null) log.warn({ ...newsOf(grant), refused }, 'ship keeps the limits it had')
  const { ship, attempt, resize: n = 0 } = grant
  resizes.put({ ship, attempt, n, refused: refused?.slice(0, 500) ?? null })
}

/** What an agent of before did is told by the container alone. */
export function seen(crew: Crew, grant: Grant, { limits }: Details): void {
  const before = crew.roster.at(grant)?.grant
  if (!before || grant.resize === undefined) return
  const resources = resourcesBy(limits, before.spec.resources)
  crew.roster.regrant({ ...taking(before, resources), resize: undefined })
}

function newsOf(grant: Grant) {
  return { ...about(grant), n: grant.resize, to: grant.blueprint.revision }
}

function isNews(had: Grant, { resize = 0 }: Grant): boolean {
  return resize > (had.resize ?? 0)
}

/** @returns why it was not done; null when it was. */
async function change(
  crew: Crew,
  { grant: had, pid }: Aboard,
  wanted: Grant,
  { id, limits }: Details,
): Promise<string | null> {
  const { engine, roster, host, log } = crew
  const to = limitsOf(wanted.spec)
  const before = had.spec.resources
  const after = wanted.spec.resources
  const judged: Grant = { ...had, resize: wanted.resize }
  const refused =
    (to.Memory < limits.Memory ? tooFull(pid, to) : undefined) ?? noRoom(crew, had, after) ?? undefined
  if (refused !== undefined) {
    roster.regrant(judged)
    return refused
  }
  const { spec, blueprint, labels } = wanted
  const done: Grant = { ...judged, spec, blueprint, labels }
  // What was answered before an agent started, a refusal among it, the container has already.
  if (!sameLimits(limits, to)) {
    roster.regrant(taking(had, larger(before, after)))
    try {
      await engine.update(id, changeTo(to))
    } catch (error) {
      // It may have been done: the larger amount counts until the engine says what the container has.
      if (isAway(error)) throw error
      roster.regrant(taking(judged, resourcesBy(limits, before)))
      return `Docker on ${host.id} did not change it: ${messageOf(error)}`
    }
    log.info(newsOf(wanted), 'ship has other limits')
  }
  roster.regrant(done)
  return null
}

function taking(grant: Grant, resources: Resources): Grant {
  return { ...grant, spec: { ...grant.spec, resources } }
}

function noRoom({ host, roster }: Crew, { ship, spec }: Grant, after: Resources): string | undefined {
  const free = subtract(subtract(allocatableOf(host), roster.taken(ship)), spec.resources)
  const short = shortOf(spec.resources, after, free)
  return short && `${host.id} has ${short}`
}

/** The kernel refuses less memory than is in use, or ends what uses it. */
function tooFull(pid: number, { Memory }: ContainerLimits): string | undefined {
  let usedBytes: number | undefined
  const files = cgroupOf(pid)
  try {
    usedBytes = files?.readUsage().memoryBytes
  } catch {
    // Its cgroup is gone, or cannot be read here.
  } finally {
    files?.close()
  }
  if (usedBytes === undefined) return 'how much memory it uses cannot be read, so that it may not get less'
  if (usedBytes <= Memory * mostUsed) return undefined
  return `it uses ${Math.ceil(usedBytes / MiB)} MiB of memory, too much for a limit of ${Memory / MiB} MiB`
}
