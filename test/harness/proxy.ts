// Real proxies in front of two ApiServers, each with the example of infra/examples/ and nothing else.
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetchPackages, unpackPackages } from '../../infra/quickstart/packages.ts'
import { run } from '../../infra/stack/command.ts'
import { freePort } from '../../infra/stack/port.ts'
import { startChild } from './child.ts'
import { until } from './until.ts'

export type ProxyName = 'nginx' | 'haproxy'

export interface RunningProxy {
  name: ProxyName
  url: string
  stop(): Promise<void>
}

const root = join(import.meta.dirname, '..', '..')
const examples = join(root, 'infra', 'examples')

/** nginx, which is fetched when the machine has none; HAProxy, which takes more libraries, only where it is installed. */
export async function proxiesHere(): Promise<[ProxyName, string][]> {
  const found: [ProxyName, string][] = [['nginx', (await installed('nginx')) ?? (await fetchedNginx())]]
  const haproxy = await installed('haproxy')
  return haproxy === undefined ? found : [...found, ['haproxy', haproxy]]
}

async function installed(program: string): Promise<string | undefined> {
  const { ok, stdout } = await run('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${program}`])
  return ok ? stdout.trim() : undefined
}

async function fetchedNginx(): Promise<string> {
  const dir = join(root, '.armada', 'cache', 'nginx')
  mkdirSync(dir, { recursive: true })
  const known = readdirSync(dir).map((name) => join(dir, name, 'usr/sbin/nginx'))
  const found = known.find((program) => existsSync(program))
  if (found) return found
  // Debian has the program in the one, Ubuntu in the other.
  const debs = await fetchPackages({ packages: [], lonePackages: ['nginx', 'nginx-core'] }, dir)
  return join(await unpackPackages(debs, dir), 'usr/sbin/nginx')
}

/** Resolves when it passes requests on. @param apis URLs of the ApiServers, two. */
export async function startProxy(
  name: ProxyName,
  program: string,
  apis: readonly string[],
  dir: string,
): Promise<RunningProxy> {
  const port = await freePort()
  const example = readFileSync(join(examples, name === 'nginx' ? 'nginx.conf' : 'haproxy.cfg'), 'utf8')
  const own = apis.reduce(
    (text, api, i) => text.replaceAll(`10.0.0.1${i + 1}:7700`, new URL(api).host),
    example,
  )
  const file = join(dir, `${name}.conf`)
  writeFileSync(file, name === 'nginx' ? plainNginx(own, port, dir) : plainHaproxy(own, port))
  const args = name === 'nginx' ? ['-c', file, '-p', dir, '-e', join(dir, 'error.log')] : ['-f', file]
  const child = startChild(program, args, 'ignore')
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  await until(
    () =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    30_000,
  )
  return {
    name,
    url,
    async stop() {
      child.kill(name === 'nginx' ? 'SIGTERM' : 'SIGUSR1')
      setTimeout(() => child.kill('SIGKILL'), 2_000).unref()
      await exited
    },
  }
}

/** Without TLS, on a port of its own, in one process that any user may run. */
function plainNginx(text: string, port: number, dir: string): string {
  const kept = text.replace(/^ *ssl_.*\n/gm, '').replace('listen 443 ssl http2', `listen 127.0.0.1:${port}`)
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `  ${what}_temp_path ${join(dir, what)};\n`,
  )
  return `daemon off;\nmaster_process off;\npid ${join(dir, 'nginx.pid')};\n${kept.replace(
    'http {\n',
    `http {\n  access_log off;\n${places.join('')}`,
  )}`
}

function plainHaproxy(text: string, port: number): string {
  // As many connections as the example has take more open files than a machine for tests may allow.
  return text.replace(/^ *bind .*$/m, `  bind 127.0.0.1:${port}`).replace(/maxconn \d+/, 'maxconn 500')
}
