// The secrets of one state folder: made at the first start, readable by their owner only.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Secrets {
  adminToken: string
  runnerToken: string
  zookeeperSecret: string
}

export function secretsOf(dir: string): Secrets {
  const file = join(dir, 'secrets.json')
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    mkdirSync(dir, { recursive: true })
    const secrets: Secrets = {
      adminToken: secret('admin'),
      runnerToken: secret('runner'),
      zookeeperSecret: secret('zk'),
    }
    writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 })
    return secrets
  }
}

function secret(kind: string): string {
  return `armada-${kind}-${randomBytes(24).toString('base64url')}`
}
