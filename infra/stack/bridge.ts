// The network of our own dockerd: a bridge of its own, beside whatever other engines have built.
//
// A dockerd that manages iptables flushes the chains that every other dockerd shares with it. So ours does that
// only when it is alone; otherwise ports are published by docker-proxy, and the few rules that a container
// needs to reach the world are made here, each with our comment, and removed with the bridge.
import { run } from './command.ts'

export interface Bridge {
  name: string
  /** For example 10.97.16.0/20. */
  subnet: string
}

export async function makeBridge(id: string): Promise<Bridge> {
  const name = bridgeName(id)
  const present = await subnetOf(name)
  if (present !== undefined) return { name, subnet: present }
  const { gateway, subnet } = await freeSubnet(id)
  await run('ip', ['link', 'add', 'name', name, 'type', 'bridge'])
  await run('ip', ['addr', 'add', gateway, 'dev', name])
  const up = await run('ip', ['link', 'set', name, 'up'])
  if (!up.ok) throw new Error(`the bridge ${name} cannot be made: ${up.stderr}`)
  return { name, subnet }
}

export async function removeBridge(id: string): Promise<void> {
  await run('ip', ['link', 'del', bridgeName(id)])
  await removeOwnRules(id)
}

/** At most 15 characters, as for every interface. */
export function bridgeName(id: string): string {
  return `arm-${id}`
}

async function subnetOf(name: string): Promise<string | undefined> {
  const routes = await run('ip', ['-4', 'route', 'show', 'dev', name])
  return /^(\d+\.\d+\.\d+\.\d+\/\d+)/m.exec(routes.stdout)?.[1]
}

/** A /20 (4,093 containers) under 10.64.0.0/10 whose second number no address or route here begins with. */
async function freeSubnet(id: string): Promise<{ gateway: string; subnet: string }> {
  const routes = await run('ip', ['-4', 'route', 'show', 'table', 'all'])
  const start = Number.parseInt(id.slice(0, 4), 16)
  for (let step = 0; step < 64; step++) {
    const prefix = `10.${64 + ((start + step) % 64)}.`
    if (routes.stdout.includes(` ${prefix}`) || routes.stdout.includes(`\n${prefix}`)) continue
    return { gateway: `${prefix}0.1/20`, subnet: `${prefix}0.0/20` }
  }
  throw new Error('no free subnet for containers: all of 10.64.0.0/10 is in use')
}

/** Whether a dockerd of ours may manage iptables: iptables works, and no other engine has its chains there. */
export async function mayManageIptables(): Promise<boolean> {
  const chains = await run('iptables', ['-w', '-t', 'nat', '-S'])
  return chains.ok && !/^-N DOCKER$/m.test(chains.stdout)
}

/** What becomes of forwarded packets that no rule names; dockerd changes it to DROP. */
export async function forwardPolicy(): Promise<string> {
  return /^-P FORWARD (\w+)/m.exec((await run('iptables', ['-w', '-S', 'FORWARD'])).stdout)?.[1] ?? 'ACCEPT'
}

/** Lets containers out, and answers in. A machine whose iptables does not work still has published ports. */
export async function addOwnRules(id: string, { name, subnet }: Bridge): Promise<boolean> {
  await removeOwnRules(id)
  const comment = ['-m', 'comment', '--comment', `armada-${id}`]
  const rules = [
    ['-t', 'nat', '-A', 'POSTROUTING', '-s', subnet, '!', '-o', name, ...comment, '-j', 'MASQUERADE'],
    ['-I', 'FORWARD', '-i', name, ...comment, '-j', 'ACCEPT'],
    [
      '-I',
      'FORWARD',
      '-o',
      name,
      '-m',
      'conntrack',
      '--ctstate',
      'RELATED,ESTABLISHED',
      ...comment,
      '-j',
      'ACCEPT',
    ],
  ]
  let ok = true
  for (const rule of rules) ok = (await run('iptables', ['-w', ...rule])).ok && ok
  return ok
}

async function removeOwnRules(id: string): Promise<void> {
  for (const table of ['nat', 'filter']) await removeRules(table, (rule) => rule.includes(`armada-${id}`))
}

/**
 * Removes the rules of our bridge, and the chains that our dockerd leaves behind when it ends, unless another
 * engine has come to use them too. Then the policy is what it was before.
 */
export async function removeDockerChains(id: string, policy: string): Promise<void> {
  let shared = false
  for (const table of ['raw', 'nat', 'filter']) {
    await removeRules(table, (rule) => rule.includes(bridgeName(id)))
    const rules = await rulesOf(table)
    if (
      rules.some(
        (rule) => /^-A .* -[io] (docker0|br-|arm-)/.test(rule) && !rule.includes('--comment armada-'),
      )
    ) {
      shared = true
      continue
    }
    await removeRules(table, (rule) => /^-A (FORWARD|PREROUTING|OUTPUT|POSTROUTING) .*-j DOCKER/.test(rule))
    const chains = rules.flatMap((rule) => /^-N (DOCKER\S*)/.exec(rule)?.[1] ?? [])
    for (const chain of chains) await run('iptables', ['-w', '-t', table, '-F', chain])
    for (const chain of chains) await run('iptables', ['-w', '-t', table, '-X', chain])
  }
  if (!shared) await run('iptables', ['-w', '-P', 'FORWARD', policy])
}

async function rulesOf(table: string): Promise<string[]> {
  return (await run('iptables', ['-w', '-t', table, '-S'])).stdout.split('\n')
}

async function removeRules(table: string, matches: (rule: string) => boolean): Promise<void> {
  for (const rule of await rulesOf(table)) {
    if (!rule.startsWith('-A ') || !matches(rule)) continue
    await run('iptables', ['-w', '-t', table, '-D', ...rule.slice('-A '.length).split(' ')])
  }
}
