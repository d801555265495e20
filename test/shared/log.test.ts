// The log when nobody can take it: a full disk, a reader who is gone.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('log')
const source = new URL('../../shared/log.ts', import.meta.url).href
const program = `
  const { createLog, createBufferedLog } = await import('${source}')
  const [log, { log: access, flush }] = [createLog('test'), createBufferedLog('test', 'info')]
  for (let i = 0; i < 20_000; i++) {
    for (const one of [log, access]) one.info({ i, text: 'x'.repeat(200) }, 'a line')
    if (i % 100 === 0) flush()
  }
  process.stdout.write(String(Math.round(process.memoryUsage().heapUsed / 1e6)))
  setTimeout(() => process.exit(7), 100)
`

/** @returns its exit code, and how many MB its heap had at the end. */
async function writing(stderr: number | 'pipe'): Promise<[number, number]> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', stderr],
  })
  child.stderr?.destroy()
  let text = ''
  child.stdout?.on('data', (data) => {
    text += data
  })
  const [code] = await once(child, 'close')
  return [code, Number(text)]
}

test('a full disk costs lines, and neither the process nor its memory', async () => {
  const [code, heapMB] = await writing(openSync('/dev/full', 'w'))
  assert.is(code, 7)
  assert.ok(heapMB < 60, `${heapMB} MB`)
})

test('a reader who is gone ends nothing', async () => {
  assert.is((await writing('pipe'))[0], 7)
})

test.run()
