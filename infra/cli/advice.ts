// What errors of the API advise, in the words of the command line.
import type { ArmadaError } from '../../shared/errors.ts'

/** How errors name a request, with names in place of the groups -> the command that sends it. */
const requests: readonly (readonly [request: string, command: string])[] = [
  ['GET /v1/blueprints/(name)/revisions', 'armada revisions $1'],
  ['PUT /v1/blueprints/(name)', 'armada publish $1 <file.json>'],
  ['GET /v1/cluster', 'armada cluster'],
  ['GET /v1/events', 'armada events'],
  ['PATCH /v1/fleets/(name)', 'armada scale $1 <replicas>'],
  ['POST /v1/fleets', 'armada create-fleet'],
  ['POST /v1/hosts/join-tokens', 'armada join-token <host>'],
  ['POST /v1/hosts/(name)/drain', 'armada drain $1'],
  ['GET /v1/hosts', 'armada hosts'],
  ['POST /v1/image-pulls', 'armada prepull'],
  ['PUT /v1/quotas/(name)', 'armada set-quota $1'],
  ['PUT /v1/secrets/(name)', 'armada set-secret $1'],
  ['GET /v1/secrets', 'armada secrets'],
  ['POST /v1/tokens/(name)/rotate', 'armada rotate-token $1'],
  ['POST /v1/tokens', 'armada create-token'],
  ['POST /v1/webhooks', 'armada create-webhook'],
]

const commands = requests.map(([request, command]) => {
  const pattern = request.replace('(name)', '([\\w-]+)')
  return [new RegExp(`${pattern}(?![\\w/-])`, 'g'), `\`${command}\``] as const
})

/** The text of an error, with commands and options where the API names its requests. */
function inCommands(detail: string): string {
  const text = commands.reduce((sofar, [request, command]) => sofar.replace(request, command), detail)
  return text.replace(/\?(force|follow)=true/g, '`--$1`')
}

/** What the command line says of an error, with everything that it found wrong. */
export function adviceOf(error: ArmadaError): string {
  if (error.code === 'unauthenticated')
    return 'The cluster does not know this token, or no longer: set ARMADA_TOKEN to one that is good. `armada create-token` makes them.'
  if (error.code === 'unavailable' && error.message.startsWith('The ApiServer does not answer'))
    return `${error.message} \`npm start\` starts one here; ARMADA_API names another.`
  const more = (error.issues ?? []).slice(1)
  const lines = more.map(({ path, message }) => `  ${path ? `${path}: ` : ''}${message}`)
  return inCommands([error.message, ...lines].join('\n'))
}
