// Secret: a text that ships find as a file in memory. Its value goes in, and out to the hosts of such ships only.
import { z } from 'zod'
import { MountPath } from './container.ts'
import { Name } from './name.ts'

export const SecretValue = z
  .string()
  .min(1)
  .max(32_768)
  .describe('The content of the file; encode what is no text. Never shown again')

export const SecretView = z
  .strictObject({
    name: Name,
    revision: z.string().describe('Changes with every change of the value'),
    updatedAt: z.iso.datetime(),
    sealed: z.boolean().describe('Whether it is encrypted in etcd: with ARMADA_SECRETS_KEY it is'),
  })
  .meta({ id: 'Secret' })
/** A secret as the API shows it: without its value. */
export type SecretView = z.infer<typeof SecretView>

export const SecretFile = z.strictObject({
  name: Name.describe('Of the secret'),
  path: MountPath.describe('The file that the ship finds it in, read-only, for its user alone'),
})
/** A secret that a blueprint's ships get. */
export type SecretFile = z.infer<typeof SecretFile>
