// ImagePull: an image that hosts are to have before ships of it come, such as ahead of a rollout.
import { z } from 'zod'
import { BlueprintRef } from './blueprint.ts'
import { ImageReference } from './image.ts'
import { LabelSelector } from './labelSelector.ts'
import { Name } from './name.ts'
import { Selector } from './placement.ts'

/** A selector that is kept as the text it came as. */
const SelectorText = z.string().superRefine((text, context) => {
  const { error } = LabelSelector.safeParse(text)
  for (const { message } of error?.issues ?? []) context.addIssue({ code: 'custom', message })
})

const about = {
  labelSelector: 'Hosts whose labels match, as in lists: `region=eu,!old`. Without it: all hosts',
  parallelism: 'Hosts that pull at the same time, so that the registry is not stormed',
}

export const ImagePullRequest = z
  .strictObject({
    blueprint: Name.optional().describe('Its image is pulled'),
    revision: z.int().min(1).optional().describe('Of the blueprint. Default: the latest'),
    image: ImageReference.optional().describe('In place of a blueprint'),
    labelSelector: SelectorText.optional().describe(about.labelSelector),
    parallelism: z.int().min(1).max(500).default(10).describe(about.parallelism),
    deadlineSeconds: z
      .int()
      .min(10)
      .max(86_400)
      .default(1_800)
      .describe('After these no host begins, and what is not there has failed'),
    keepSeconds: z
      .int()
      .min(0)
      .max(2_592_000)
      .default(86_400)
      .describe(
        'How long after the deadline it is remembered: until then hosts that run out of disk keep the image',
      ),
  })
  .refine(({ blueprint, image }) => (blueprint === undefined) !== (image === undefined), {
    path: ['blueprint'],
    message: 'name a blueprint, or an image, and not both',
  })
  .refine(({ blueprint, revision }) => revision === undefined || blueprint !== undefined, {
    path: ['revision'],
    message: 'is that of a blueprint: name one',
  })

export const ImagePull = z.strictObject({
  id: Name,
  image: ImageReference,
  blueprint: BlueprintRef.nullable().describe('null when an image was named'),
  labelSelector: z.string().nullable().describe(about.labelSelector),
  selectors: z.array(Selector),
  parallelism: z.int().describe(about.parallelism),
  createdAt: z.iso.datetime(),
  createdBy: z.string().describe('Who asked for it'),
  deadline: z.iso.datetime().describe('Until then hosts may pull'),
  keptUntil: z.iso.datetime().describe('Then it is forgotten, and its image is needed no more'),
  lease: z.string().describe('Of etcd: with it goes all that is kept of the pull'),
})
/** The record in etcd. */
export type ImagePull = z.infer<typeof ImagePull>

const tookMs = z.int().min(0).describe('Next to nothing when the image was there already')

export const PullEnd = z.strictObject({
  pull: Name,
  state: z.enum(['Pulled', 'Failed']),
  reason: z.string().max(1_000).nullable(),
  tookMs,
})
/** What became of a pull on one host, as its agent says. */
export type PullEnd = z.infer<typeof PullEnd>

/** The same in etcd. */
export type PullOutcome = Omit<PullEnd, 'pull'> & { at: string }

export const PullOrder = z.strictObject({
  pull: Name,
  image: ImageReference,
  limitMs: z.int().min(1).describe('Time that is left for it'),
})
/** What an agent is told to pull. */
export type PullOrder = z.infer<typeof PullOrder>

export const ImagePullView = ImagePull.omit({ selectors: true, lease: true })
  .extend({
    state: z
      .enum(['Running', 'Succeeded', 'Failed'])
      .describe('Succeeded: all its hosts have the image; Failed: some have not, and will not by this pull'),
    hosts: z
      .strictObject({
        pending: z.int().min(0),
        pulling: z.int().min(0),
        pulled: z.int().min(0),
        failed: z.int().min(0),
      })
      .describe('Hosts that match now, those that joined meanwhile included'),
  })
  .meta({ id: 'ImagePull' })
/** A pull as the API shows it. */
export type ImagePullView = z.infer<typeof ImagePullView>

export const HostPullView = z
  .strictObject({
    host: Name,
    state: z.enum(['Pending', 'Pulling', 'Pulled', 'Failed']),
    percent: z.int().nullable().describe('How much is here while it is Pulling; null when unknown'),
    totalMiB: z.number().nullable(),
    reason: z.string().nullable().describe('Why it has failed, or has not begun'),
    at: z.iso.datetime().nullable().describe('When it came into this state; null while Pending'),
    tookMs: tookMs.nullable(),
  })
  .meta({ id: 'HostImagePull' })
/** How far one host is with a pull. */
export type HostPullView = z.infer<typeof HostPullView>
