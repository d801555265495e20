// What a token that is limited to fleets may see: the fleets that its patterns name, and their ships.
import { ArmadaError } from '../../shared/errors.ts'
import { covers, type Token } from '../../shared/model/token.ts'

/** As much of a caller as tells its limits. */
interface Limited {
  token?: Token | undefined
}

/**
 * Whether the caller may know of the fleet, and of the ships in it. Handlers of routes with the scope `fleet` ask
 * it: what the caller does not see is left out of lists, and answered like what does not exist.
 * @param fleet null: what belongs to no fleet, which a limited token never sees.
 */
export function seesFleet({ token }: Limited, fleet: string | null): boolean {
  return covers(token?.fleets ?? null, fleet)
}

/** @throws ArmadaError forbidden when a fleet of that name would be out of the caller's sight. */
export function assertMayName(caller: Limited, fleet: string): void {
  if (seesFleet(caller, fleet)) return
  throw new ArmadaError(
    'forbidden',
    `This token is limited to the fleets ${namesOf(caller)}; "${fleet}" is not one of these.`,
  )
}

/** @throws ArmadaError forbidden when the token is limited to fleets, and so may not use a route about more. */
export function assertUnlimited(caller: Limited): void {
  if (!caller.token?.fleets) return
  throw new ArmadaError(
    'forbidden',
    `This token is limited to the fleets ${namesOf(caller)} and their ships. For anything else use a token without such a limit.`,
  )
}

function namesOf({ token }: Limited): string {
  return token?.fleets?.join(', ') ?? ''
}
