// What the agent's program does not bring into its memory.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort } from '../../infra/stack/port.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { until } from '../harness/until.ts'

const test = suite('agent: slim')
const program = join(import.meta.dirname, '..', '..', 'dist', 'agent.js')

// Node loads it when anybody touches one of its globals, such as Headers.
test('Node’s own fetch, of 12 MB, stays where it is while the ApiServer is asked', async () => {
  const scratch = await scratchDir()
  const tell = `process.once('exit', () => console.error('loaded:', process.moduleLoadList.join()))`
  const agent = spawn(process.execPath, ['--import', `data:text/javascript,${tell}`, program], {
    env: {
      ARMADA_API: `http://127.0.0.1:${await freePort()}`,
      ARMADA_ZOOKEEPER: '127.0.0.1:1',
      ARMADA_JOIN_TOKEN: 'nobody-asks-for-it',
      ARMADA_STATE_DIR: scratch.dir,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    let said = ''
    agent.stderr.setEncoding('utf8').on('data', (part) => {
      said += part
    })
    await until(() => said.includes('cannot join yet'), 30_000)
    agent.kill()
    await once(agent.stderr, 'end')
    const loaded = said.split('loaded:')[1] ?? ''
    assert.match(loaded, 'NativeModule http')
    assert.not.match(loaded, 'undici')
  } finally {
    agent.kill('SIGKILL')
    await scratch.remove()
  }
})

test.run()
