// Storm brake: when most hosts vanish together, the fault is more likely ours than theirs: nothing is moved.
//
// STATES  released -> engaged -> released
//
// INVARIANTS
// - Engages when more than half of the hosts known, and at least three are known, vanished within `withinMs`.
// - Stays engaged until at least half of those that had vanished are present again. A host that is taken out
//   of the cluster meanwhile no longer counts.

const withinMs = 60_000
const fewestHosts = 3

export interface Engaged {
  /** Hosts that vanished; it grows while the brake is on. */
  vanished: ReadonlySet<string>
  /** Hosts known when it engaged. */
  known: number
}

/** Host -> since when it is absent; null: present. */
export type Sightings = ReadonlyMap<string, number | null>

/** The next state of the brake; null: released. */
export function stormBrake(before: Engaged | null, hosts: Sightings, nowMs: number): Engaged | null {
  const recent = new Set<string>()
  for (const [host, sinceMs] of hosts) {
    if (sinceMs !== null && nowMs - sinceMs <= withinMs) recent.add(host)
  }
  if (!before) {
    const storm = hosts.size >= fewestHosts && recent.size * 2 > hosts.size
    return storm ? { vanished: recent, known: hosts.size } : null
  }
  const vanished = new Set([...before.vanished, ...recent].filter((host) => hosts.has(host)))
  const back = [...vanished].filter((host) => hosts.get(host) === null)
  return back.length * 2 >= vanished.size ? null : { vanished, known: before.known }
}

/** What people are told. */
export function stormText({ vanished, known }: Engaged): string {
  const named = [...vanished].sort().slice(0, 5).join(', ')
  const more = vanished.size > 5 ? ' …' : ''
  return (
    `${vanished.size} of ${known} hosts vanished within a minute (${named}${more}). Their ships are not ` +
    'replaced until half of these hosts are back: check the network between the hosts and ZooKeeper.'
  )
}
