// A registry of one image that asks for a user and a password, as much of the protocol as a pull takes.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Registry {
  /** host:port */
  address: string
  /** Of the image's manifest. */
  digest: string
  /** Paths that were served. */
  served: string[]
  close(): void
}

export async function startRegistry(user: string, password: string): Promise<Registry> {
  const layer = busyboxLayer()
  const config = Buffer.from(
    JSON.stringify({
      ...{ architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' },
      config: { Env: ['PATH=/bin'], Cmd: ['sleep', '1000'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  )
  const part = (mediaType: string, bytes: Buffer) => ({
    ...{ mediaType, size: bytes.length, digest: digestOf(bytes) },
  })
  const type = 'application/vnd.docker.distribution.manifest.v2+json'
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: type },
      config: part('application/vnd.docker.container.image.v1+json', config),
      layers: [part('application/vnd.docker.image.rootfs.diff.tar', layer)],
    }),
  )
  const things = new Map([config, layer, manifest].map((bytes) => [digestOf(bytes), bytes]))
  const served: string[] = []
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const server = createServer((request, response) => {
    if (request.headers.authorization !== authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
      return
    }
    const path = request.url ?? ''
    served.push(path)
    const [, kind, name = ''] = /\/(manifests|blobs)\/(.+)$/.exec(path) ?? []
    const bytes = things.get(name) ?? (kind === 'manifests' ? manifest : undefined)
    if (path === '/v2/') response.writeHead(200).end('{}')
    else if (!bytes) response.writeHead(404).end()
    else {
      const contentType = kind === 'manifests' ? type : 'application/octet-stream'
      const headers = { 'content-type': contentType, 'content-length': bytes.length }
      response.writeHead(200, { ...headers, 'docker-content-digest': digestOf(bytes) })
      response.end(request.method === 'HEAD' ? undefined : bytes)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    digest: digestOf(manifest),
    served,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function busyboxLayer(): Buffer {
  const tree = mkdtempSync(join(tmpdir(), 'armada-layer-'))
  try {
    mkdirSync(join(tree, 'bin'))
    copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
    symlinkSync('busybox', join(tree, 'bin/sleep'))
    return execFileSync('tar', ['-C', tree, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 })
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}
