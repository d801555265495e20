// What a command of the CLI is.
import type { Client } from '../../shared/api/client.ts'

export interface Answer {
  text: string
  data: unknown
}

/** name -> how it is given on the command line, and what it means. */
export const options = {
  json: { type: 'boolean', about: 'prints what the API answered' },
  fleet: { type: 'string', about: 'narrows `ships` and `events` to a fleet; `simulate`: as ships of it' },
  ship: { type: 'string', about: 'narrows `events` to a ship' },
  watch: { type: 'boolean', about: 'goes on with what happens from now on' },
  numbered: { type: 'boolean', about: 'ships of the new fleet are `lobby-1`, `lobby-2` and so on' },
  host: { type: 'string', about: 'narrows `ships` to a host' },
  selector: {
    type: 'string',
    about: 'labels of those to list, or of the ships that `allocate` may take: region=eu,!old',
  },
  where: { type: 'string', about: 'narrows them by fields: state=Ready,host!=fra-07,attempt>1' },
  reason: { type: 'string', about: 'why a host is cordoned or drained' },
  deadline: {
    type: 'string',
    about: 'seconds that ships in use get at a drain (3600), and hosts at `prepull` (1800)',
  },
  role: { type: 'string', about: 'of a new token: viewer, allocator, operator or admin (viewer)' },
  fleets: { type: 'string', about: "all that a new token sees, or a new webhook tells of: 'lobby-*,duel'" },
  ttl: { type: 'string', about: 'seconds that a new token is good for; without it: for ever' },
  grace: { type: 'string', about: 'seconds that the old secret of a rotated token is good as well (0)' },
  ships: { type: 'string', about: 'ships that a quota allows' },
  cpu: { type: 'string', about: 'CPU that a quota allows, in thousandths of a core' },
  memory: { type: 'string', about: 'memory that a quota allows, in MiB' },
  denied: { type: 'boolean', about: 'narrows `audit` to those who were turned away' },
  caller: { type: 'string', about: 'narrows `audit` to a caller' },
  since: {
    type: 'string',
    about: 'begins `audit` and `logs` then: 10m ago, 2h, 1d, or 2026-11-02T18:00:00Z',
  },
  follow: { type: 'boolean', about: 'goes on with what `logs` prints, until the ship has ended' },
  tail: { type: 'string', about: 'begins `logs` with so many of the last lines (100)' },
  timestamps: { type: 'boolean', about: 'shows when each line of `logs` was printed' },
  events: { type: 'string', about: 'types of events for `create-webhook`: ship.*,fleet.scaled' },
  lease: { type: 'string', about: 'seconds after which an allocation returns unless it is confirmed' },
  wait: { type: 'string', about: 'seconds that `allocate` waits for a free ship, at most 60' },
  strategy: { type: 'string', about: 'how ships come to another revision: rolling, recreate or canary' },
  buffer: { type: 'string', about: '`autoscale` keeps so many ships beyond those in use: 5, or 20%' },
  counter: { type: 'string', about: '`autoscale` keeps so much of a counter free: rooms=10, rooms=20%' },
  list: { type: 'string', about: 'the same of a list' },
  players: { type: 'string', about: '`autoscale` keeps so many places of players free' },
  policy: { type: 'string', about: 'file with all that `autoscale` takes, as JSON' },
  min: { type: 'string', about: 'fewest ships that `autoscale` leaves (0)' },
  max: { type: 'string', about: 'most ships that `autoscale` makes' },
  gang: { type: 'boolean', about: '`create` places its ships together, all or none' },
  off: { type: 'boolean', about: 'people decide the replicas of the fleet again' },
  revision: { type: 'string', about: 'of the blueprint whose image `prepull` has pulled (the latest)' },
  hosts: { type: 'string', about: 'narrows the hosts of `prepull` by labels: region=eu,!old' },
  parallel: { type: 'string', about: 'hosts that pull at a time at `prepull` (10)' },
  force: { type: 'boolean', about: 'removes a host with its ships' },
} as const satisfies Record<string, { type: 'boolean' | 'string'; about: string }>

export type Options = {
  readonly [Name in keyof typeof options]?:
    | ((typeof options)[Name]['type'] extends 'boolean' ? boolean : string)
    | undefined
}

/** What a command that goes on until it is stopped works with. */
export interface Terminal {
  url: string
  token: string
  /** Fires at Ctrl-C. */
  signal: AbortSignal
  print(line: string): void
}

export interface Command {
  /** Positional arguments; those in brackets may be left out, and a last one with dots may come many times. */
  takes: readonly string[]
  about: string
  /** Which of the options it takes, beside --json. */
  options?: readonly (keyof typeof options)[]
  /** @returns undefined when all was printed as it came. */
  run(
    client: Client,
    args: readonly string[],
    options: Options,
    terminal: Terminal,
  ): Promise<Answer | undefined>
}

export type Commands = Readonly<Record<string, Command>>

/** @throws for anything but digits: an empty word, as of an unset variable, would count as 0. */
export function wholeNumber(name: string, text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text)
  throw new Error(`<${name}> must be a whole number, not "${text ?? ''}".`)
}
