// Credentials of registries, from a file in the format of Docker's config.json, which is read anew for every pull.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { messageOf } from '../../shared/errors.ts'

const Auth = z.object({
  auth: z.base64().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
})
const Config = z.object({ auths: z.record(z.string(), Auth).default({}) })

/** What Docker's API takes as authconfig. */
export interface RegistryAuth {
  serveraddress: string
  username?: string
  password?: string
  identitytoken?: string
}

const dockerHub = 'docker.io'

/** The registry that an image comes from, as Docker reads references. */
export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : dockerHub
}

/**
 * @param file undefined: no registry has credentials.
 * @returns undefined when the file has none for the image's registry.
 * @throws Error that says what is wrong with the file, and nothing of what is in it.
 */
export async function authFor(image: string, file: string | undefined): Promise<RegistryAuth | undefined> {
  if (file === undefined) return undefined
  const { auths } = await readConfig(file)
  const registry = registryOf(image)
  const found = Object.entries(auths).find(([key]) => hostOf(key) === registry)
  if (!found) return undefined
  const [serveraddress, { auth, username, password, identitytoken }] = found
  if (identitytoken) return { serveraddress, identitytoken }
  const decoded = auth === undefined ? '' : Buffer.from(auth, 'base64').toString()
  const colon = decoded.indexOf(':')
  const [user, word] = colon < 0 ? [username, password] : [decoded.slice(0, colon), decoded.slice(colon + 1)]
  if (user === undefined || word === undefined) {
    throw new Error(
      `${file} has an entry for ${registry} without "auth", "username" and "password", or "identitytoken"; credential helpers are not asked`,
    )
  }
  return { serveraddress, username: user, password: word }
}

async function readConfig(file: string): Promise<z.infer<typeof Config>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new Error(`the credentials of registries cannot be read: ${messageOf(error)}`, { cause: error })
  }
  try {
    return Config.parse(JSON.parse(text))
  } catch {
    // What a parser says quotes the text, which is secret.
    throw new Error(`${file} does not have the format of Docker's config.json`)
  }
}

/** Of `https://index.docker.io/v1/`, `registry.example:5000` and the like. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? dockerHub : host
}
