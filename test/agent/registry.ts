// A registry that asks for a user and a password, as much of the protocol as a pull takes. Whatever name is pulled, there
// is an image of it, with a layer of its own.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep } from '../../shared/loop.ts'

export interface Registry {
  /** host:port */
  address: string
  /** Of the manifest of an image. */
  digest(name: string): string
  /** Paths that were served. */
  served: string[]
  /** Time that each layer takes on its way. */
  layerMs: number
  /** Names of which there is no image. */
  missing: Set<string>
  close(): void
}

interface Image {
  manifest: Buffer
  blobs: Map<string, Buffer>
  layer: Buffer
}

const type = 'application/vnd.docker.distribution.manifest.v2+json'

/** Without a password everybody may pull. */
export async function startRegistry(user?: string, password?: string): Promise<Registry> {
  const images = new Map<string, Image>()
  const imageOf = (name: string): Image => {
    const image = images.get(name) ?? makeImage(name)
    images.set(name, image)
    return image
  }
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const server = createServer((request, response) => {
    if (user !== undefined && request.headers.authorization !== authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
      return
    }
    const path = request.url ?? ''
    registry.served.push(path)
    if (path === '/v2/') return void response.writeHead(200).end('{}')
    const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? []
    if (kind === undefined || registry.missing.has(name)) return void response.writeHead(404).end()
    const { manifest, blobs, layer } = imageOf(name)
    const isWanted = !reference.startsWith('sha256:') || reference === digestOf(manifest)
    const bytes = kind === 'blobs' ? blobs.get(reference) : isWanted ? manifest : undefined
    if (!bytes) return void response.writeHead(404).end()
    const contentType = kind === 'manifests' ? type : 'application/octet-stream'
    const headers = { 'content-type': contentType, 'content-length': bytes.length }
    response.writeHead(200, { ...headers, 'docker-content-digest': digestOf(bytes) })
    if (request.method === 'HEAD') response.end()
    else if (bytes === layer && registry.layerMs > 0) void trickle(response, bytes, registry.layerMs)
    else response.end(bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const registry: Registry = {
    address: `127.0.0.1:${port}`,
    digest: (name) => digestOf(imageOf(name).manifest),
    served: [],
    layerMs: 0,
    missing: new Set(),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return registry
}

async function trickle(response: ServerResponse, bytes: Buffer, ms: number): Promise<void> {
  const steps = Math.ceil(ms / 100)
  const size = Math.ceil(bytes.length / steps)
  for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
    response.write(bytes.subarray(at, at + size))
    await sleep(100)
  }
  response.end()
}

function makeImage(name: string): Image {
  const layer = busyboxLayer(name)
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
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: type },
      config: part('application/vnd.docker.container.image.v1+json', config),
      layers: [part('application/vnd.docker.image.rootfs.diff.tar', layer)],
    }),
  )
  return { manifest, layer, blobs: new Map([config, layer].map((bytes) => [digestOf(bytes), bytes])) }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function busyboxLayer(name: string): Buffer {
  const tree = mkdtempSync(join(tmpdir(), 'armada-layer-'))
  try {
    mkdirSync(join(tree, 'bin'))
    copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
    symlinkSync('busybox', join(tree, 'bin/sleep'))
    writeFileSync(join(tree, 'name'), name)
    writeFileSync(join(tree, 'padding'), randomBytes(1024 * 1024))
    return execFileSync('tar', ['-C', tree, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 })
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}
