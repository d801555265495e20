// Well when the ship answers a GET at its own address with a status from 200 to 399.
import { get } from 'node:http'
import type { Ask } from './probe.ts'
import { said } from './tcp.ts'

export function askHttp(path: string): Ask {
  return ({ address, port, timeoutMs, signal }) =>
    new Promise((resolve, reject) => {
      const late = () => request.destroy(new Error(`no answer from HTTP port ${port} within ${timeoutMs} ms`))
      // A connection of its own each time: a kept one would hide that the ship takes no new ones.
      const options = { host: address, port, path, signal, agent: false, headers: { host: `ship:${port}` } }
      const request = get(options, (answer) => {
        const { statusCode = 0 } = answer
        // Whatever its body is, it is not read.
        request.destroy()
        if (statusCode >= 200 && statusCode < 400) resolve(undefined)
        else reject(new Error(`HTTP port ${port} answered ${statusCode} to ${path}`))
      })
      const timer = setTimeout(late, timeoutMs)
      request.once('error', (error) => reject(said(error, port)))
      request.once('close', () => {
        clearTimeout(timer)
        // An answer that takes the connection over, for instance, is neither an answer to Node nor an error.
        reject(new Error(`HTTP port ${port} gave no answer to ${path}`))
      })
    })
}
