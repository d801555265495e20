// A candidate for election as a process of its own: says on standard output when it leads and when no more.
//
// Lines are JSON: {event, epoch, atMs} with atMs of the machine's monotonic clock, which all processes share.
import { createLog } from '../../shared/log.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { stand } from '../../shared/zookeeper/election.ts'

const [servers = '', path = '', id = '', sessionMs = '2000'] = process.argv.slice(2)
const log = createLog('candidate', 'silent')
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

function say(event: string, epoch: number): void {
  const atMs = Number(process.hrtime.bigint()) / 1e6
  process.stdout.write(`${JSON.stringify({ event, epoch, atMs })}\n`)
}

const zk = await ZooKeeper.connect({ servers, sessionTimeoutMs: Number(sessionMs), log })
await zk.ensurePath(path)
say('stands', 0)
await stand(zk, path, { id, signal: stop.signal, log }, async ({ epoch, signal }) => {
  say('leads', epoch)
  // A tick every 10 ms, as the work of a leader would be: each looks at the signal before it acts.
  while (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10))
  say('lost', epoch)
})
await zk.close()
process.exit(0)
