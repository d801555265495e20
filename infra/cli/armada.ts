#!/usr/bin/env node
// The `armada` command: looks at a cluster, changes it, and starts Armada's own processes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from '../../shared/api/client.ts'
import { ArmadaError, messageOf } from '../../shared/errors.ts'
import { withoutSlash } from '../../shared/settings.ts'
import { version } from '../../shared/version.ts'
import { adviceOf } from './advice.ts'
import { type Command, options } from './command.ts'
import { commands } from './commands.ts'

/** Command -> program beside this one. These are the processes of a cluster. */
const programs: Record<string, string> = { api: './api.js', runner: './runner.js', agent: './agent.js' }

async function main([name = 'help', ...rest]: string[]): Promise<void> {
  const program = programs[name]
  if (program) {
    process.argv.splice(2, 1)
    await import(program)
    return
  }
  if (name === 'help' || name === '--help' || name === '-h') return print(rest[0] ? helpOn(rest[0]) : help())
  if (name === 'version' || name === '--version') return print(version)
  if (rest.some((word) => word === '--help' || word === '-h')) return print(helpOn(name))
  const command = commandOf(name)
  const usage = usageOf(name, command)
  const { positionals, values } = parsed(rest, name, command)
  const least = command.takes.filter((word) => !word.startsWith('[')).length
  const most = /…[>\]]$/.test(usage) ? Number.POSITIVE_INFINITY : command.takes.length
  if (positionals.length < least || positionals.length > most) throw new Error(usage)
  const cluster = clusterAt()
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  const terminal = { ...cluster, signal: stopping.signal, print }
  const patience = 'wait' in values ? { limitMs: 70_000 } : {}
  const answer = await command.run(connect({ ...cluster, ...patience }), positionals, values, terminal)
  if (answer) print(values.json ? JSON.stringify(answer.data, null, 2) : answer.text)
}

function commandOf(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new Error(`There is no command "${name}". \`armada help\` lists them all.`)
  return command
}

function usageOf(name: string, { takes }: Command): string {
  return `Usage: armada ${[name, ...takes].join(' ')}`
}

/** @throws Error that says what is wrong with the options, and how the command is used. */
function parsed(args: string[], name: string, command: Command) {
  const seeHelp = `${usageOf(name, command)}\n\`armada help ${name}\` tells its options.`
  const { values, positionals } = parseOptions(args, seeHelp)
  const taken: readonly string[] = ['json', ...(command.options ?? [])]
  const other = Object.keys(values).find((option) => !taken.includes(option))
  if (other) throw new Error(`\`${name}\` takes no --${other}.\n${seeHelp}`)
  return { values, positionals }
}

function parseOptions(args: string[], seeHelp: string) {
  try {
    return parseArgs({ args, allowPositionals: true, options })
  } catch (error) {
    // Its further sentences are about arguments that begin with a dash.
    throw new Error(`${messageOf(error).split('. ')[0]?.replace(/\.$/, '')}.\n${seeHelp}`)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** The cluster of ARMADA_API and ARMADA_TOKEN, else the one that `npm start` runs in this folder. */
function clusterAt(): { url: string; token: string } {
  const { ARMADA_API, ARMADA_TOKEN } = process.env
  const url = ARMADA_API && withoutSlash(ARMADA_API)
  if (url && ARMADA_TOKEN) return { url, token: ARMADA_TOKEN }
  const file = join(import.meta.dirname, '..', '.armada', 'cli.json')
  try {
    const { api, token } = JSON.parse(readFileSync(file, 'utf8'))
    return { url: url ?? api, token: ARMADA_TOKEN ?? token }
  } catch {
    throw new Error('No cluster is known. Set ARMADA_API and ARMADA_TOKEN, or run `npm start` first.')
  }
}

/** What one command does and takes. */
function helpOn(name: string): string {
  const command = commandOf(name)
  const lines = [...(command.options ?? []), 'json' as const].map(
    (option) => `  --${option.padEnd(12)}${options[option].about}`,
  )
  return [usageOf(name, command), `  ${command.about}`, '', ...lines].join('\n')
}

function help(): string {
  const usages = Object.entries(commands).map(([name, { takes }]) => [name, ...takes].join(' '))
  const width = 2 + Math.max(...usages.map((usage) => usage.length))
  const lines = Object.values(commands).map(({ about }, i) => `  ${usages[i]?.padEnd(width)}${about}`)
  return [
    'armada <command>: gameservers on your own machines',
    '',
    ...lines,
    '',
    `  ${'api'.padEnd(width)}run an ApiServer`,
    `  ${'runner scheduler|controllers|both'.padEnd(width)}run the scheduler, the controllers, or both`,
    `  ${'agent'.padEnd(width)}run the agent of this host`,
    '',
    ...Object.entries(options).map(([name, { about }]) => `  --${name.padEnd(width - 2)}${about}`),
    '',
    'The cluster is that of ARMADA_API and ARMADA_TOKEN, else the one that `npm start` runs here.',
  ].join('\n')
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error instanceof ArmadaError ? adviceOf(error) : messageOf(error)}\n`)
  process.exitCode = 1
})
