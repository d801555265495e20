// What the set-up tells: short lines with the seconds so far; everything else goes to a log.
import { spawn } from 'node:child_process'
import { appendFileSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'

const startedMs = performance.now()
let logFile

/** A failure that a person can mend: what is wrong, and what to do. */
export class SetupError extends Error {
  constructor(message, advice) {
    super(message)
    this.advice = advice
  }
}

export function openLog(file) {
  logFile = file
  writeFileSync(file, `${new Date().toISOString()}\n`)
}

export function say(line) {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.log(`setup ${seconds.padStart(5)} s  ${line}`)
}

export function explain(error) {
  if (error instanceof SetupError) {
    console.error(`\n${error.message}\n${error.advice ?? ''}`.trimEnd())
    return
  }
  console.error(`\nThe set-up failed: ${error?.message ?? error}`)
  if (error?.code === 'EACCES' || error?.code === 'EPERM') {
    console.error('The folder may belong to another user: was the last start made with sudo?')
  }
}

/** Runs a program with its output in the log. Throws with its last lines when it fails. */
export async function runLogged(command, args, { env = {}, cwd, title, advice } = {}) {
  appendFileSync(logFile, `\n$ ${[command, ...args].join(' ')}\n`)
  const output = openSync(logFile, 'a')
  const result = await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
    })
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) =>
      resolve(code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}`),
    )
  })
  closeSync(output)
  if (result === undefined) return
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n')
  throw new SetupError(
    `${title ?? command} failed: ${result}. Last lines:\n${lines}`,
    `${advice ?? ''}\nThe whole log: ${logFile}`.trim(),
  )
}
