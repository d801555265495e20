// Running a program to its end.
import { execFile } from 'node:child_process'

export interface Outcome {
  ok: boolean
  stdout: string
  /** What it said about its failure. */
  stderr: string
}

/** Runs a program; a program that fails or is missing is an outcome, not an exception. */
export async function run(
  command: string,
  args: readonly string[],
  limitMs = 30_000,
  cwd?: string,
): Promise<Outcome> {
  return await new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
    const options = { timeout: limitMs, maxBuffer: 64 * 1024 ** 2, env, ...(cwd !== undefined && { cwd }) }
    execFile(command, [...args], options, (error, stdout, stderr) => {
      resolve({ ok: error === null, stdout, stderr: stderr.trim() || (error?.message ?? '') })
    })
  })
}
