// The labels of our containers: whose they are, and all that is needed to adopt them without asking anybody.
import { Grant } from '../../shared/model/grant.ts'

export const label = {
  ship: 'armada.ship',
  attempt: 'armada.attempt',
  host: 'armada.host',
  /** The boot of the machine in which the container was made: exits across a reboot are not the ship's fault. */
  boot: 'armada.boot',
  grant: 'armada.grant',
  /** On volumes: the name in the blueprint. */
  volume: 'armada.volume',
} as const

export interface Mark {
  ship: string
  attempt: number
  host: string
  boot: string
  grantText: string
}

export function labelsOf(grant: Grant, host: string, boot: string): Record<string, string> {
  return {
    [label.ship]: grant.ship,
    [label.attempt]: String(grant.attempt),
    [label.host]: host,
    [label.boot]: boot,
    [label.grant]: JSON.stringify(grant),
  }
}

/** Undefined when the container is not one of Armada's. */
export function markOf(labels: Record<string, string> | undefined): Mark | undefined {
  const ship = labels?.[label.ship]
  const host = labels?.[label.host]
  const attempt = Number(labels?.[label.attempt])
  if (!labels || !ship || !host || !Number.isInteger(attempt) || attempt < 1) return undefined
  return { ship, attempt, host, boot: labels[label.boot] ?? '', grantText: labels[label.grant] ?? '' }
}

/** Null when it was written by an agent of another version. Not for every look at the list: it takes 0.1 ms. */
export function grantOf({ grantText }: Mark): Grant | null {
  try {
    return Grant.parse(JSON.parse(grantText))
  } catch {
    return null
  }
}
