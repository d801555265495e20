// Starting one ship: image, container, ports, run. It ends aboard, or with a report that says why not.
//
// INVARIANTS
// - The ship is aboard as Claimed before this begins, and is not when this has ended without a container.
// - An engine that goes away in the middle is no failed start: what it had begun is found by its name.
// - A port that was chosen for the ship and is busy is not its fault: other ports will be chosen.
// - An ending decided meanwhile wins: the container is ended as soon as it is there, or never made. That there is none is
//   looked up, not concluded.

import { messageOf } from '../../../shared/errors.ts'
import { sleep } from '../../../shared/loop.ts'
import type { Grant } from '../../../shared/model/grant.ts'
import type { Details } from '../../docker/engine.ts'
import { hasStatus, isAway } from '../../docker/engineError.ts'
import { containerName, containerOptions } from '../../docker/options.ts'
import { pullText } from '../../docker/pullProgress.ts'
import { giveVolumes } from '../../docker/volumes.ts'
import { type Aboard, about } from '../../roster.ts'
import type { Crew } from '../crew.ts'
import { carryOut } from '../ending/end.ts'
import { verdict } from '../ending/verdict.ts'
import { type BusyPort, busyPort } from './hostPort.ts'
import { hasSecrets } from './secrets.ts'

/** The scheduler chooses anew at once, and may choose the same port. */
const badChoicePauseMs = 500

/**
 * A start is half waiting: for the disk, and for the kernel to let go of mounts and cgroups. On two cores plain calls of
 * Docker's API start 5.4 containers a second with 4 in flight, 7.9 with 8, 8.2 with 12, 8.6 with 16; the first of them
 * has started after 0.6, 0.75, 1.0, 1.2 s.
 */
export function startsInFlight(cores: number): number {
  return Math.min(6 * cores, 16)
}

class BadChoice extends Error {}

/** Never rejects. */
export async function startShip(crew: Crew, grant: Grant): Promise<void> {
  const { engine, roster, starts, signal, log } = crew
  const beginMs = performance.now()
  while (!signal.aborted) {
    try {
      if (roster.at(grant)?.ending) return await abandon(crew, grant)
      if (!(await hasImage(crew, grant)) || !(await hasSecrets(crew, grant)))
        return await abandon(crew, grant)
      const id = await starts.run(() => launch(crew, grant))
      const entry = id === undefined ? undefined : await aboard(crew, grant, id)
      if (!entry) return await abandon(crew, grant)
      log.info({ ...about(grant), tookMs: Math.round(performance.now() - beginMs) }, 'ship started')
      if (entry.ending) void carryOut(crew, entry)
      return
    } catch (error) {
      if (error instanceof BadChoice) await sleep(badChoicePauseMs, signal)
      if (!isAway(error)) return refuse(crew, grant, error)
      log.warn({ ...about(grant), error: messageOf(error) }, 'the start waits for the Docker engine')
      await engine.answers(signal)
    }
  }
}

/**
 * False when an ending was decided before the image was there: a pull can take minutes. Meanwhile the record says
 * how far it is.
 */
async function hasImage({ images, roster, outbox }: Crew, grant: Grant): Promise<boolean> {
  const { image } = grant.spec
  const found = images.ensure(image).then(() => true)
  found.catch(() => undefined)
  let told: string | null = null
  const tell = (reason: string | null) => {
    if (reason === told) return
    told = reason
    outbox.put({ ...about(grant), state: 'Starting', reason })
  }
  while (!roster.at(grant)?.ending) {
    if (await Promise.race([found, sleep(250).then(() => false)])) {
      tell(null)
      return true
    }
    const pull = images.pulling(image)
    if (pull) tell(pullText(pull))
  }
  return false
}

/** @returns the container's id; undefined when an ending was decided before there was anything to end. */
async function launch(crew: Crew, grant: Grant): Promise<string | undefined> {
  const { engine, roster, removals } = crew
  if (roster.at(grant)?.ending) return undefined
  const container = await make(crew, grant)
  if (container.state === 'created') {
    try {
      if (grant.spec.user && grant.spec.volumes.length > 0)
        await giveVolumes(engine, container.id, grant.spec.user)
      const busy = await busyPort(grant.ports)
      if (busy) throw portError(grant, busy)
      if (!roster.at(grant)?.ending) await engine.start(container.id)
    } catch (error) {
      if (!isAway(error)) removals.add(container.id)
      throw error
    }
  }
  return container.id
}

/** The ship with what is known of its container. Another one starts meanwhile. */
async function aboard(crew: Crew, grant: Grant, id: string): Promise<Aboard | undefined> {
  const { engine, roster, removals } = crew
  const details = await engine.details(id)
  if (details?.state === 'created') removals.add(id)
  if (!details || details.state === 'created') return undefined
  // It may have ended before anybody watched it.
  if (details.state === 'ended') crew.look.ring()
  return roster.change(grant, { phase: 'Starting', ...whereabouts(details) })
}

function portError({ spec }: Grant, { name, text }: BusyPort): Error {
  const detail = `host port ${text} is in use by a process that is not Armada's`
  const isStatic = spec.ports.some((port) => port.name === name && port.policy === 'static')
  return isStatic ? new Error(detail) : new BadChoice(detail)
}

/** What the roster keeps of a container that runs. */
export function whereabouts(
  details: Details,
): Pick<Aboard, 'containerId' | 'address' | 'pid' | 'sdkPorts' | 'startedAtMs'> {
  const ageMs = Math.max(0, Date.now() - (details.startedAtEpochMs ?? Date.now()))
  return {
    containerId: details.id,
    address: details.address ?? '127.0.0.1',
    pid: details.pid,
    sdkPorts: details.sdkPorts,
    startedAtMs: performance.now() - ageMs,
  }
}

/** Creates the container, or finds the one that an interrupted start of the same attempt left. */
async function make(crew: Crew, grant: Grant): Promise<Pick<Details, 'id' | 'state'>> {
  const { engine, host, boot, secretsDir } = crew
  const name = containerName(grant)
  const sdkPorts = await crew.sdkPorts.choose(grant)
  const options = containerOptions(grant, {
    host: host.id,
    address: host.address,
    boot,
    sdkPorts,
    secretsDir,
  })
  try {
    return { id: await engine.create(options), state: 'created' }
  } catch (error) {
    if (!hasStatus(error, 409)) throw error
    const other = await engine.details(name)
    const mark = other?.mark
    const isSame = other !== undefined && isOf(grant, host.id, other)
    // One that never ran and was made before the machine was restarted would tell a wrong tale later.
    if (isSame && !(other.state === 'created' && mark?.boot !== boot)) return other
    if (other && mark?.host !== host.id) {
      const whose = mark ? `a container of Armada host ${mark.host}` : "a container that is not Armada's"
      throw new Error(`the name ${name} is taken by ${whose}; remove or rename it`, { cause: error })
    }
    if (other) await engine.remove(other.id)
    return { id: await engine.create(options), state: 'created' }
  }
}

function isOf({ ship, attempt }: Grant, host: string, { mark }: Details): boolean {
  return mark?.host === host && mark.ship === ship && mark.attempt === attempt
}

function refuse({ roster, outbox, log }: Crew, grant: Grant, error: unknown): void {
  const reason = messageOf(error)
  const entry = roster.at(grant)
  if (!entry) return
  log.warn({ ...about(grant), reason }, 'ship cannot be started here')
  const why = error instanceof BadChoice ? 'given-back' : 'late'
  const ending = entry.ending ?? { why, reason }
  const report = verdict({ ...entry, ending }, nothing)
  if (report) outbox.put(report)
  roster.leave(grant)
}

/** An ending was decided before anything ran, as far as is known: a start may have had no answer, and have been done. */
async function abandon(crew: Crew, grant: Grant): Promise<void> {
  const { engine, roster, outbox, removals, host } = crew
  const details = await engine.details(containerName(grant))
  if (details && isOf(grant, host.id, details)) {
    if (details.state === 'created') removals.add(details.id)
    else {
      const ended = roster.change(grant, { phase: 'Starting', ...whereabouts(details) })
      if (ended) return carryOut(crew, ended)
    }
  }
  const entry = roster.at(grant)
  const report = entry && verdict(entry, nothing)
  if (report) outbox.put(report)
  roster.leave(grant)
}

const nothing = { exit: null, hostRestarted: false, error: '' }
