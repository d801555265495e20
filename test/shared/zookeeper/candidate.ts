// A candidate as a process of its own, which tells on standard output when it leads: `lead`, `alive`, `end`.
import { setTimeout as delay } from 'node:timers/promises'
import { createLog } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { stand } from '../../../shared/zookeeper/election.ts'

const [servers = '', path = '', id = '', timeoutMs = '2000'] = process.argv.slice(2)
const log = createLog('candidate', 'silent')
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

/** The monotonic clock is the same for all processes of a machine. */
function say(what: string, epoch: number): void {
  process.stdout.write(`${what} ${epoch} ${process.hrtime.bigint() / 1000n}\n`)
}

const zk = await ZooKeeper.connect({ servers, sessionTimeoutMs: Number(timeoutMs), log })
await stand(zk, path, { id, signal: stop.signal, log }, async ({ czxid: epoch, signal }) => {
  say('lead', epoch)
  signal.addEventListener('abort', () => say('end', epoch))
  while (!signal.aborted) {
    say('alive', epoch)
    await delay(5)
  }
})
await zk.close()
