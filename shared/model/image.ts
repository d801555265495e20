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

/**
 * The one way to write a reference, as Docker reads it: `game` and `docker.io/library/game:latest` are the same.
 * What has a digest needs no tag.
 */
export function wholeReference(image: string): string {
  const [name = '', digest] = image.split('@')
  const [path = '', tag = 'latest'] = name.split(/:(?=[^/]*$)/)
  const [first = '', ...rest] = path.split('/')
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const within = hasRegistry ? path : `docker.io/${rest.length > 0 ? path : `library/${path}`}`
  const whole = within.replace(/^index\.docker\.io\//, 'docker.io/')
  return digest === undefined ? `${whole}:${tag}` : `${whole}@${digest}`
}

/** Its reference without tag and digest. */
export function repositoryOf(image: string): string {
  return wholeReference(image)
    .replace(/@.*$/, '')
    .replace(/:[^/:]*$/, '')
}
