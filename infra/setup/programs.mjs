// The programs that Armada needs on a machine: which are missing, and how apt gets them.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { installPackages } from './apt.mjs'
import { SetupError, say } from './report.mjs'

const zooKeeperJar = '/usr/share/java/zookeeper.jar'
/** Debian's other busybox needs libraries that an image of it alone does not have. */
const staticBusybox = '/var/lib/dpkg/info/busybox-static.list'

/** sbin is not on everybody's path, and Debian keeps dockerd and iptables there. */
function folders() {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
}

function findProgram(name) {
  return folders()
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

function hasPrograms(...names) {
  return names.every((name) => findProgram(name) !== undefined)
}

/** `yes`, `forbidden` (it is there, but not for this user) or `no`. */
async function systemDocker() {
  return await new Promise((resolve) => {
    const socket = connect({ path: '/var/run/docker.sock', timeout: 2_000 }, () => finish('yes'))
    const finish = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('timeout', () => finish('no'))
    socket.once('error', (error) => finish(error.code === 'EACCES' ? 'forbidden' : 'no'))
  })
}

const isRoot = process.getuid?.() === 0

/** Without AppArmor's own tool no container starts on a machine whose kernel has AppArmor on. */
function hasAppArmorTool() {
  try {
    return (
      !readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y') ||
      hasPrograms('apparmor_parser')
    )
  } catch {
    return true
  }
}

/** Tests bring up servers of their own, so the addresses of running ones do not help them. */
function usesOwn(setting, forTests) {
  return forTests || !process.env[setting]
}

/** What is missing: a name for people, Debian's and Ubuntu's packages, services that shall not start by themselves. */
export async function missingPrograms({ compiler, forTests }) {
  const missing = []
  const need = (name, packages, services = []) => missing.push({ name, packages, services })
  if (compiler) {
    if (!hasPrograms('gcc', 'g++', 'make')) need('a C and C++ compiler', ['gcc', 'g++', 'make'])
    if (!hasPrograms('python3')) need('python3', ['python3'])
  }
  if (usesOwn('ARMADA_ZOOKEEPER', forTests)) {
    if (!hasPrograms('java')) need('java', ['default-jre-headless'])
    if (!existsSync(zooKeeperJar)) need('ZooKeeper', ['libzookeeper-java'])
  }
  if (usesOwn('ARMADA_ETCD', forTests) && !hasPrograms('etcd')) need('etcd', ['etcd-server'], ['etcd'])
  if (usesOwn('ARMADA_REDIS', forTests) && !hasPrograms('redis-server')) {
    need('Redis', ['redis-server'], ['redis-server'])
  }
  if (forTests && !existsSync(staticBusybox)) need('busybox', ['busybox-static'])
  for (const part of await missingDocker(forTests)) need(part.name, part.packages)
  return missing
}

async function missingDocker(forTests) {
  const ownEngine = forTests && isRoot
  if (process.env.DOCKER_HOST && !ownEngine) return []
  const running = await systemDocker()
  if (running === 'forbidden') {
    throw new SetupError(
      'Docker runs on this machine, but this user may not use it.',
      'Run: sudo usermod -aG docker "$USER"   then log in again. Or set DOCKER_HOST, or run as root.',
    )
  }
  if (running === 'yes' && !ownEngine) return []
  const missing = []
  if (!hasPrograms('dockerd', 'containerd', 'runc')) missing.push({ name: 'Docker', packages: ['docker.io'] })
  if (!hasPrograms('iptables')) missing.push({ name: 'iptables', packages: ['iptables'] })
  if (!hasPrograms('ip')) missing.push({ name: 'ip', packages: ['iproute2'] })
  if (!hasAppArmorTool()) missing.push({ name: 'AppArmor', packages: ['apparmor'] })
  return missing
}

export async function installPrograms(missing) {
  say(`missing: ${missing.map((one) => one.name).join(', ')}`)
  await installPackages(
    [...new Set(missing.flatMap((one) => one.packages))],
    missing.flatMap((one) => one.services),
  )
  if (isRoot || process.env.DOCKER_HOST || !missing.some((one) => one.name === 'Docker')) return
  if ((await systemDocker()) === 'yes') return
  throw new SetupError(
    'Docker is installed now, but this user cannot use it yet.',
    'Run: sudo usermod -aG docker "$USER"   then log in again (without systemd also start it: sudo dockerd &).',
  )
}

/** Releases before these lack what Armada asks of them: etcd's JSON gateway under /v3, ZooKeeper's TTL and settings. */
export function outdatedPrograms({ forTests }) {
  const advice = `Run the three stores in containers instead: docker compose -f infra/compose.yaml up -d
and start with the addresses that the head of that file names.`
  if (usesOwn('ARMADA_ZOOKEEPER', forTests)) {
    const names = readdirSync('/usr/share/java').join('\n')
    const version = /^zookeeper-(\d+)\.(\d+)[\d.]*\.jar$/m.exec(names)
    if (version !== null && isBefore(version, 3, 5)) throw outdated('ZooKeeper', version, '3.5', advice)
  }
  if (usesOwn('ARMADA_ETCD', forTests)) {
    const version = /etcd Version: (\d+)\.(\d+)/.exec(versionText(findProgram('etcd')))
    if (version !== null && isBefore(version, 3, 4)) throw outdated('etcd', version, '3.4', advice)
  }
}

function isBefore([, major, minor], leastMajor, leastMinor) {
  return Number(major) < leastMajor || (Number(major) === leastMajor && Number(minor) < leastMinor)
}

function outdated(name, version, least, advice) {
  return new SetupError(
    `${name} ${version[1]}.${version[2]} on this machine is too old: Armada needs ${least} or newer.`,
    advice,
  )
}

function versionText(program) {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', timeout: 5_000 })
  } catch {
    return ''
  }
}
