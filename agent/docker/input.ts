// Writing to a ship's standard input.
import type { Duplex } from 'node:stream'
import { within } from '../../shared/loop.ts'
import type { Engine } from './engine.ts'
import { EngineError } from './engineError.ts'

/** A game that reads its console takes a line in milliseconds; one that does not fills its pipe, and blocks here. */
const limitMs = 3_000

/** Resolves when the engine has put it into the container's standard input. @throws EngineError */
export async function writeInput(engine: Engine, id: string, text: string): Promise<void> {
  const stream = (await engine.ask('attach', 5_000, (abortSignal) =>
    engine.docker.getContainer(id).attach({ stream: true, stdin: true, hijack: true, abortSignal }),
  )) as Duplex
  try {
    // The engine closes its side once it has copied all; the container's own end stays open (StdinOnce is false).
    const copied = new Promise<void>((resolve, reject) => {
      stream.once('error', reject)
      stream.once('end', resolve)
      stream.once('close', resolve)
      stream.resume()
      stream.end(text)
    })
    await within(copied, limitMs, () => new Error('it does not read its standard input'))
  } catch (error) {
    throw EngineError.from(error, 'writing to the console')
  } finally {
    stream.destroy()
  }
}
