// What the engine sends as JSON, one object a line.
import type { Readable } from 'node:stream'

/** A line that is no such thing is passed over: behind the socket may be another program than dockerd. */
export async function* jsonLines(stream: Readable): AsyncGenerator<object> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const value = parsed(line)
      if (typeof value === 'object' && value !== null) yield value
    }
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
