// Installing Debian's and Ubuntu's packages, once, quietly, and without letting their services take our ports.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { runLogged, SetupError, say } from './report.mjs'

const listsFolder = '/var/lib/apt/lists'
const oldestListsMs = 7 * 24 * 3_600_000
const policyFile = '/usr/sbin/policy-rc.d'

/** How to become root here: nothing in front, `sudo -n`, or undefined when neither works. */
function rootPrefix() {
  if (process.getuid?.() === 0) return []
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore', timeout: 5_000 })
    return ['sudo', '-n']
  } catch {
    return undefined
  }
}

function listsAreOld() {
  try {
    const lists = readdirSync(listsFolder).filter((name) => name.includes('_Packages'))
    const newestMs = Math.max(0, ...lists.map((name) => statSync(join(listsFolder, name)).mtimeMs))
    const checkedMs = statSync(listsFolder).mtimeMs
    return lists.length === 0 || Date.now() - Math.max(newestMs, checkedMs) > oldestListsMs
  } catch {
    return true
  }
}

/**
 * Installs packages as root or with sudo.
 * @param unwanted services that these packages must neither start now nor at the next boot: Armada runs its own
 */
export async function installPackages(packages, unwanted) {
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (!existsSync('/usr/bin/apt-get')) {
    throw new SetupError(
      'This machine has no apt, so the missing programs cannot be installed from here.',
      `Install what Debian calls ${packages.join(' ')} with this system's own means,
or set ARMADA_ZOOKEEPER, ARMADA_ETCD, ARMADA_REDIS and DOCKER_HOST to servers that run already.`,
    )
  }
  const prefix = rootPrefix()
  if (prefix === undefined) {
    throw new SetupError(
      'The missing programs can be installed by root only.',
      `Run: sudo apt-get update && sudo ${command}\nthen the same command again.`,
    )
  }
  const asRoot = (args, options) => runLogged([...prefix, ...args][0], [...prefix, ...args].slice(1), options)
  const environment = ['env', 'DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_SUSPEND=1', 'LC_ALL=C']
  const advice = `Mend what apt complains about, or run it yourself: sudo ${command}`
  const apt = (verb, ...args) =>
    asRoot([...environment, 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300', verb, ...args], {
      title: `apt-get ${verb}`,
      advice,
    })
  const update = async () => {
    say("renewing apt's lists")
    await apt('update')
  }
  const install = () => apt('install', '-y', '--no-install-recommends', ...packages)
  const renewed = listsAreOld()
  if (renewed) await update()
  say(`installing with apt: ${packages.join(' ')}`)
  const allowServices = await forbidServices(unwanted, asRoot)
  try {
    await install().catch(async (error) => {
      if (renewed) throw error
      await update()
      await install()
    })
  } finally {
    await allowServices()
  }
}

/**
 * Keeps services from being started by their packages' installation, which would take ports and, where there is
 * no systemd, can fail the installation. Returns what lifts the ban and keeps the unwanted ones off at boot.
 * Services that were here before are never touched.
 */
async function forbidServices(unwanted, asRoot) {
  const hasSystemd = existsSync('/run/systemd/system')
  // Without systemd we start an engine of our own, and the package's start script fails in many containers.
  const forbidden = hasSystemd ? unwanted : [...unwanted, 'docker', 'containerd']
  const ours = forbidden.length > 0 && !existsSync(policyFile)
  if (ours) {
    const script = `#!/bin/sh
# Made by Armada's set-up, which removes it when its packages are installed.
case "$1" in ${forbidden.join('|')}) exit 101 ;; esac
exit 0
`
    await asRoot(['sh', '-c', 'printf %s "$1" > "$2" && chmod 755 "$2"', 'sh', script, policyFile])
  }
  return async () => {
    if (ours) await asRoot(['rm', '-f', policyFile])
    for (const service of unwanted) {
      const off = hasSystemd
        ? ['systemctl', 'disable', '--now', service]
        : ['update-rc.d', service, 'disable']
      await asRoot(off).catch(() => undefined)
    }
  }
}
