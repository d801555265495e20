// What every part of the Worker holds: the engine, the tables it writes, and the bells it rings.
import type { Client } from '../../shared/api/client.ts'
import type { Log } from '../../shared/log.ts'
import { type Bell, sleep } from '../../shared/loop.ts'
import type { HostDescription } from '../../shared/model/host.ts'
import type { Contact } from '../contact.ts'
import type { Disks } from '../disks.ts'
import type { Engine } from '../docker/engine.ts'
import type { Images } from '../docker/images.ts'
import type { SecretFiles } from '../docker/secretFiles.ts'
import type { LastSamples } from '../lastSamples.ts'
import type { Outbox } from '../outbox.ts'
import type { ResizeBook } from '../resizeBook.ts'
import type { Roster } from '../roster.ts'
import type { SdkPortBook } from '../sdkPorts.ts'
import type { Slots } from '../slots.ts'
import type { Halts } from './ending/halts.ts'
import type { Removals } from './ending/removals.ts'
import type { Gate } from './gate.ts'
import type { Hands } from './hands.ts'

export interface Crew {
  readonly host: HostDescription
  /** Id of this boot of the machine. */
  readonly boot: string
  readonly api: Client
  readonly disks: Disks
  readonly engine: Engine
  readonly images: Images
  readonly secretsDir: string
  readonly secretFiles: SecretFiles
  readonly roster: Roster
  readonly outbox: Outbox
  readonly resizes: ResizeBook
  readonly contact: Contact
  readonly lastSamples: LastSamples
  readonly sdkPorts: SdkPortBook
  /** Closed until nobody else is present under this host's name, as far as can be told. */
  readonly present: Gate
  readonly gate: Gate
  readonly hands: Hands
  /** Starts in flight. */
  readonly starts: Slots
  readonly halts: Halts
  readonly removals: Removals
  /** Rings when containers should be listed and compared. */
  readonly look: Bell
  /** Rings when the ApiServer should be asked what belongs here. */
  readonly ask: Bell
  readonly signal: AbortSignal
  readonly log: Log
}

/** Has the ApiServer asked again after a pause, unless that is to be done already. */
export function askAgain({ ask, hands, signal }: Crew, pauseMs: number): void {
  hands.once('ask again', () => sleep(pauseMs, signal).then(ask.ring))
}
