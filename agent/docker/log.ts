// What a ship printed: its last lines, or all of them as they come.
import { stripVTControlCharacters } from 'node:util'
import type { Engine } from './engine.ts'
import { EngineError } from './engineError.ts'
import { FrameReader } from './frames.ts'
import { Pace } from './pace.ts'

const output = { stdout: true, stderr: true } as const

const mostCharacters = 400

/** The last lines, oldest first, each clipped. */
export async function lastLines(engine: Engine, id: string, count: number): Promise<string[]> {
  const data = await engine.ask('logs', 10_000, (abortSignal) =>
    engine.docker.getContainer(id).logs({ ...output, follow: false, tail: count, abortSignal }),
  )
  const reader = new FrameReader()
  const lines = [...reader.push(data), ...reader.end()]
  return lines.slice(-count).map(clip)
}

/** A line as it is kept: short, and without what a terminal would act upon. */
export function clip(line: string): string {
  const text = stripVTControlCharacters(line.slice(0, 4_000)).replaceAll('\t', ' ')
  return text
    .replace(/\p{Cc}/gu, '')
    .trimEnd()
    .slice(0, mostCharacters)
}

/** Lines since the container's start, then those that follow; ends when it does. @throws EngineError */
export async function* followLines(engine: Engine, id: string, signal: AbortSignal): AsyncGenerator<string> {
  const stream = await engine.open('logs', signal, (abortSignal) =>
    engine.docker.getContainer(id).logs({ ...output, follow: true, abortSignal }),
  )
  const reader = new FrameReader()
  const pace = new Pace()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield* reader.push(chunk)
      await pace.keep(chunk.length, signal)
    }
    yield* reader.end()
  } catch (error) {
    if (!signal.aborted) throw EngineError.from(error, 'following the log')
  } finally {
    stream.destroy()
  }
}
