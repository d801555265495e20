// Connections to Redis that only listen: one breaks, and breaks again just as it asks for its channels once more.
import assert from 'node:assert/strict'
import type { Redis } from 'ioredis'
import { suite } from 'uvu'
import { redisKeys } from '../../../functions/stores/keys.ts'
import { QuestionStore } from '../../../functions/stores/redis/questions.ts'
import { connectRedis, connectSubscriber } from '../../../functions/stores/redis/redis.ts'
import { SessionStore } from '../../../functions/stores/redis/sessions.ts'
import { startRedis } from '../../../infra/stack/redis.ts'
import { scratchDir } from '../../../infra/stack/scratch.ts'
import type { Server } from '../../../infra/stack/server.ts'
import { createLog } from '../../../shared/log.ts'
import type { Question } from '../../../shared/model/question.ts'
import { until } from '../../harness/until.ts'

const test = suite('listening')
const log = createLog('test', 'silent')
let scratch: Awaited<ReturnType<typeof scratchDir>>
let server: Server
let redis: Redis
let subscriber: Redis

test.before(async () => {
  scratch = await scratchDir()
  server = await startRedis({ dir: scratch.dir, fsync: false, endWithParent: true, log })
  redis = connectRedis(server.address, log)
})

test.after(async () => {
  redis?.disconnect()
  await server?.stop()
  await scratch?.remove()
})

test.before.each(() => {
  subscriber = connectSubscriber(server.address)
})

/** The connection breaks; as it asks for its channels once more Redis freezes, is killed, and is away for a while. */
async function breakTwice(): Promise<void> {
  const { sendCommand } = subscriber
  const asked = new Promise<void>((resolve) => {
    subscriber.sendCommand = (command, stream) => {
      if (command.name === 'subscribe') {
        server.pause()
        resolve()
      }
      return sendCommand.call(subscriber, command, stream)
    }
  })
  subscriber.disconnect(true)
  await asked
  subscriber.sendCommand = sendCommand
  let breaks = 0
  const count = () => breaks++
  subscriber.on('close', count)
  await server.kill()
  await until(() => breaks >= 3)
  subscriber.off('close', count)
  await server.restart()
}

test('whoever reads a session hears of it again', async () => {
  const sessions = new SessionStore(redis, subscriber, log)
  const heard: string[] = []
  const called: string[] = []
  sessions.onCall((host) => called.push(host))
  const end = await sessions.listen('berlin', 'one', (text) => heard.push(text))
  await sessions.pass('berlin', 'one', 'before', false)
  await until(() => heard.includes('before'))
  await breakTwice()
  await until(async () => (await sessions.pass('berlin', 'one', 'after', false)) !== undefined)
  await until(() => heard.includes('after'))
  const call = {
    kind: 'log',
    session: 'two',
    ship: 'a',
    attempt: 1,
    tail: 1,
    since: null,
    follow: true,
  } as const
  await sessions.call('berlin', call)
  await until(() => called.includes('berlin'))
  end()
  await sessions.close()
})

test('whoever asks the scheduler hears its answer', async () => {
  const questions = new QuestionStore(redis, subscriber, log)
  const direct = connectSubscriber(server.address)
  const scheduler = new QuestionStore(redis, direct, log)
  const taken = scheduler.take(10_000, AbortSignal.timeout(20_000))
  await until(async () => (await redis.exists(redisKeys.questionListener)) === 1)
  const question = { kind: 'advice' } as unknown as Question
  const answer = questions.ask(question, 15_000)
  const asked = await taken
  assert.ok(asked)
  await breakTwice()
  const reply = { anything: true } as never
  await until(() => scheduler.reply(asked.id, reply))
  assert.deepEqual(await answer, reply)
  questions.close()
  scheduler.close()
})

test.run()
