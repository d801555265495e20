// What every controller is given.
import type { Client } from '../../../shared/api/client.ts'
import type { Log } from '../../../shared/log.ts'

export interface Office {
  client: Client
  epoch: number
  log: Log
  /** Ends the controller and its requests. */
  signal: AbortSignal
}
