// The commands of the CLI that stay: what a ship prints, and its console.
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import { answerOf, type Client } from '../../shared/api/client.ts'
import { eventStream } from '../../shared/api/eventStream.ts'
import { follow } from '../../shared/api/follow.ts'
import { messageOf } from '../../shared/errors.ts'
import { sleep } from '../../shared/loop.ts'
import { randomId } from '../../shared/model/name.ts'
import { type Commands, type Terminal, wholeNumber } from './command.ts'
import { note, patiently } from './patience.ts'

export const consoleCommands: Commands = {
  logs: {
    takes: ['<ship>'],
    about: 'what a ship prints; see --follow, --tail, --since',
    options: ['follow', 'tail', 'since', 'timestamps'],
    async run(_client, [ship = ''], { follow = false, tail, since, timestamps = false }, terminal) {
      const query = new URLSearchParams({ follow: String(follow) })
      if (tail !== undefined) query.set('tail', String(wholeNumber('tail', tail)))
      if (since !== undefined) query.set('since', since)
      await printLog(terminal, ship, { query, timestamps, repeats: follow }, terminal.signal)
      return undefined
    },
  },
  console: {
    takes: ['<ship>', '[line…]'],
    about: 'write a line to its console, or as many as you type',
    async run(client, [ship = '', ...words], _, terminal) {
      if (words.length > 0) {
        const data = await write(client, ship, words.join(' '))
        return { text: `${data.ship} has it`, data }
      }
      const over = new AbortController()
      const query = new URLSearchParams({ follow: 'true', tail: '20' })
      const signal = AbortSignal.any([over.signal, terminal.signal])
      const printing = printLog(terminal, ship, { query, timestamps: false, repeats: true }, signal)
      // A ship that has ended takes no more lines.
      const lines = createInterface({ input: process.stdin })
      const ended = printing.finally(() => lines.close())
      ended.catch(() => undefined)
      try {
        for await (const line of lines) {
          if (line === '') continue
          await write(client, ship, line).catch((error) => process.stderr.write(`${messageOf(error)}\n`))
        }
        // What the last line had to say for itself.
        await Promise.race([ended, sleep(1_000)])
      } finally {
        over.abort()
      }
      await ended
      return undefined
    },
  },
}

/** With one key for all tries: the line is written once, also when an answer is lost. */
async function write(client: Client, ship: string, line: string) {
  const ask = { param: { ship }, json: { line }, header: { 'idempotency-key': randomId() } }
  return await patiently(
    () => answerOf(client.v1.ships[':ship'].console.$post(ask)),
    ({ retryable }) => retryable,
  )
}

interface PrintOptions {
  query: URLSearchParams
  timestamps: boolean
  /** Goes on by itself when the stream breaks off. */
  repeats: boolean
}

/** Resolves when the log has ended, or with the signal. @throws ArmadaError when it cannot be had. */
async function printLog(
  { url, token }: Terminal,
  ship: string,
  { query, timestamps, repeats }: PrintOptions,
  signal: AbortSignal,
): Promise<void> {
  const log = `${url}/v1/ships/${encodeURIComponent(ship)}/logs?${query}`
  const options = { url: log, token, signal }
  let waiting = false
  const onBreak = (error: unknown) => {
    if (!waiting) note(`waiting: ${messageOf(error)}`)
    waiting = true
  }
  for await (const { event, data } of repeats ? follow({ ...options, onBreak }) : eventStream(options)) {
    waiting = false
    if (event !== 'ping') print(event, JSON.parse(data), timestamps)
    if (event === 'end') return
  }
}

interface Said {
  at?: string | null
  text?: string
  lines?: number
  more?: boolean
  attempt?: number
  host?: string
  state?: string | null
  reason?: string | null
}

function print(event: string, said: Said, timestamps: boolean): void {
  const { at, text = '', lines, more, attempt, host, state, reason } = said
  if (event === 'line') {
    // Whatever the game prints, it does not get to drive the terminal.
    const shown = process.stdout.isTTY ? stripVTControlCharacters(text).replace(/\p{Cc}/gu, ' ') : text
    process.stdout.write(`${timestamps && at ? `${at} ` : ''}${shown}\n`)
  } else if (event === 'skipped') note(`${more ? 'more than ' : ''}${lines} lines are left out`)
  else if (event === 'attempt') note(`attempt ${attempt} on host "${host}"`)
  else if (event === 'waiting') note(`waiting: ${reason}`)
  else if (event === 'end') note(`ended${state ? ` as ${state}` : ''}${reason ? `: ${reason}` : ''}`)
}
