// Resize: a running ship is given other limits, without an end of its container.
//
// INVARIANTS
// - All of a change or nothing: a ship has the limits of one revision.
// - While it is pending the ship counts with the larger of both amounts, whoever counts.
// - A host is asked for each change once, by its number: an answer or an order that comes late changes nothing.
import { z } from 'zod'
import { amountOf, larger, othersIn, Resources } from './resources.ts'

export const ResizeNumber = z.int().min(1).describe('Each change of one attempt has the next number')

export const Resize = z
  .strictObject({
    n: ResizeNumber,
    state: z
      .enum(['pending', 'done', 'refused'])
      .describe(
        "pending: its host has yet to say that it has them; done; refused: it keeps the limits it had, and its fleet's rollout replaces it",
      ),
    from: z
      .strictObject({ revision: z.int().min(1), resources: Resources })
      .describe('What it had before, and has again when its host refuses'),
    to: z.int().min(1).describe('The revision of its blueprint with the other limits'),
    at: z.iso.datetime().describe('When it came into this state'),
    reason: z.string().max(500).nullable().describe('Why it was refused'),
  })
  .meta({ id: 'Resize' })
/** On the record of a ship: the last change of its limits while it ran, in this attempt. */
export type Resize = z.infer<typeof Resize>

/** What a ship takes of its host, as far as is known. */
export function heldBy({ resources, resize }: { resources: Resources; resize?: Resize | undefined }) {
  return resize?.state === 'pending' ? larger(resources, resize.from.resources) : resources
}

/** Why a ship cannot grow where so much is free; undefined when it can. What does not grow needs no room. */
export function shortOf(before: Resources, after: Resources, free: Resources): string | undefined {
  const names = ['memory', 'cpu', ...othersIn(after).map(([name]) => name)]
  const short = names.flatMap((name) => {
    const more = amountOf(after, name) - amountOf(before, name)
    const has = Math.max(0, amountOf(free, name))
    return more > 0 && more > has ? [`${more} ${units[name] ?? name} more, and ${has} are free`] : []
  })
  return short.length > 0 ? `no room to grow: it wants ${short.join('; ')}` : undefined
}

const units: Readonly<Record<string, string>> = {
  memory: 'MiB of memory',
  cpu: 'millicores',
  disk: 'MiB of disk',
}
