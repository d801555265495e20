// Image: what ships are made of, by reference, and how far a host is with pulling one.
import { z } from 'zod'

export const ImageReference = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,254}$/, 'must be an image reference such as "repo/game:1.4"')

export const PullState = z.strictObject({
  image: ImageReference,
  percent: z.int().min(0).max(100).nullable().describe('Of the bytes known so far; null when none are'),
  totalMiB: z.number().min(0).nullable().describe('Of the layers whose size is known so far'),
})
/** A pull that is under way, as it is shown. */
export type PullState = z.infer<typeof PullState>

/** Such as `45 % of 120 MiB`; empty when nothing is known. */
export function pullShare({ percent, totalMiB }: Pick<PullState, 'percent' | 'totalMiB'>): string {
  return percent === null ? '' : `${percent} % of ${totalMiB} MiB`
}
