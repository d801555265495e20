// What a ship's container is made of, what it may never have, and how its log and its game are read.
import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { playersOf } from '../../agent/advisor/probe/games.ts'
import { FrameReader } from '../../agent/docker/frames.ts'
import { checkHostConfig } from '../../agent/docker/hostConfig.ts'
import { grantOf, markOf } from '../../agent/docker/label.ts'
import { jsonLines } from '../../agent/docker/lines.ts'
import { containerOptions } from '../../agent/docker/options.ts'
import { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { assignPorts, type PortChoice } from '../../shared/model/port.ts'

const test = suite('agent: containers')
const berth = { host: 'h1', address: '10.0.0.1', boot: 'boot-1', secretsDir: '/run/armada/h1' }

function options(spec: object, choice: PortChoice = {}) {
  const full = BlueprintSpec.parse({ image: 'game:1', ...spec })
  const blueprint = { name: 'b', revision: 1 }
  const ports = assignPorts(full.ports, choice)
  const grant = { ship: 'lobby-x', attempt: 3, state: 'Starting' as const, fleet: 'lobby', labels: {} }
  return containerOptions({ ...grant, blueprint, spec: full, ports }, berth)
}

test('limits and hardening', () => {
  const { HostConfig, name } = options({ resources: { cpuMillis: 1_500, memoryMiB: 64 } })
  assert.is(name, 'armada-lobby-x-3')
  assert.is(HostConfig?.Memory, 64 * 1024 * 1024)
  assert.is(HostConfig?.MemorySwap, HostConfig?.Memory)
  assert.is(HostConfig?.CpuQuota, 150_000)
  assert.equal(HostConfig?.CapDrop, ['ALL'])
  assert.equal(HostConfig?.SecurityOpt, ['no-new-privileges'])
  assert.is(HostConfig?.PidsLimit, 512)
  assert.equal(HostConfig?.RestartPolicy, { Name: 'no' })
  assert.is(HostConfig?.ReadonlyRootfs, false)
})

test('volumes: a kept one has a name of its own and labels, another none; nothing else may be mounted', () => {
  const volumes = [
    { name: 'world', path: '/data/world', keep: true },
    { name: 'cache', path: '/data/cache' },
  ]
  const { HostConfig } = options({ volumes })
  const Labels = { 'armada.host': 'h1', 'armada.ship': 'lobby-x', 'armada.volume': 'world' }
  const Source = 'armada.h1.lobby-x.world'
  assert.equal(HostConfig?.Mounts as unknown, [
    { Type: 'volume', Target: '/data/world', Source, VolumeOptions: { Labels } },
    { Type: 'volume', Target: '/data/cache' },
  ])
  for (const mount of [
    { Type: 'bind', Source: '/etc', Target: '/data' },
    { Type: 'volume', Source: 'database', Target: '/data' },
    { Type: 'volume', Target: '/proc' },
    { Type: 'volume', Target: '/data', VolumeOptions: { DriverConfig: { Name: 'local' } } },
  ])
    assert.throws(
      () => checkHostConfig({ ...HostConfig, Mounts: [mount as never] }, berth.secretsDir),
      /Mounts/,
    )
  for (const bad of [
    { volumes: [...volumes, { name: 'more', path: '/data/world' }] },
    { volumes: [...volumes, { name: 'world', path: '/data/more' }] },
    { volumes, tmpfs: [{ path: '/data/cache' }] },
    { volumes: [{ name: 'big', path: '/data', sizeMiB: 100 }], resources: { diskMiB: 99 } },
  ])
    assert.throws(() => options(bad))
})

test('secrets: files bound read-only, named by the blueprint; no other path of the host may be bound', () => {
  const { HostConfig, Labels } = options({ secrets: [{ name: 'key', path: '/etc/game/key' }] })
  const Source = '/run/armada/h1/lobby-x.3/0'
  const mount = { Type: 'bind', Source, Target: '/etc/game/key', ReadOnly: true }
  assert.equal(HostConfig?.Mounts as unknown, [mount])
  assert.match(Labels?.['armada.grant'] ?? '', /"secrets":\[{"name":"key","path":"\/etc\/game\/key"}\]/)
  for (const bad of [
    { ReadOnly: false },
    { Source: '/run/armada/h1' },
    { Source: '/run/armada/h1/lobby-x.3/../../x/0' },
    { Source: '/run/armada/h2/lobby-x.3/0' },
    { BindOptions: { Propagation: 'shared' } },
  ]) {
    const Mounts = [{ ...mount, ...bad } as never]
    assert.throws(() => checkHostConfig({ ...HostConfig, Mounts }, berth.secretsDir), /Mounts/)
  }
  const secrets = [{ name: 'key', path: '/etc/key' }]
  assert.throws(() => options({ secrets, tmpfs: [{ path: '/etc/key' }] }), /two things/)
})

test('ports: each protocol is published and exposed; none stays inside', () => {
  const ports = [
    { name: 'game', protocol: 'tcp+udp', containerPort: 7_777 },
    { name: 'same', protocol: 'udp', policy: 'passthrough' },
    { name: 'rcon', protocol: 'tcp', policy: 'none', containerPort: 7_778 },
  ]
  const { HostConfig, ExposedPorts, Env } = options({ ports }, { game: 7_001, same: 7_002 })
  assert.equal(HostConfig?.PortBindings, {
    '7777/tcp': [{ HostIp: '0.0.0.0', HostPort: '7001' }],
    '7777/udp': [{ HostIp: '0.0.0.0', HostPort: '7001' }],
    '7002/udp': [{ HostIp: '0.0.0.0', HostPort: '7002' }],
  })
  assert.equal(Object.keys(ExposedPorts ?? {}), ['7777/tcp', '7777/udp', '7002/udp'])
  assert.ok(Env?.includes('ARMADA_PORT_GAME=7777') && Env.includes('ARMADA_PORT_SAME=7002'))
  assert.ok(Env?.includes('ARMADA_PORT_RCON=7778'))
})

test("host network: nothing is published, the game is told the host's port", () => {
  const ports = [{ name: 'my-game', policy: 'static', hostPort: 7_100, containerPort: 7_777 }]
  const { HostConfig, Env } = options({ network: 'host', ports }, { 'my-game': 7_100 })
  assert.is(HostConfig?.NetworkMode, 'host')
  assert.equal(HostConfig?.PortBindings, {})
  assert.ok(Env?.includes('ARMADA_PORT_MY_GAME=7100'))
})

test('environment and substitution in the command', () => {
  const command = ['-n', '$(NAME) of $(ARMADA_SHIP_ID)', '$$(NAME)', '$(UNKNOWN)', '$NAME']
  const { Cmd, Env } = options({ command, sdk: 'agones', env: { NAME: 'a', AGONES_SDK_HTTP_PORT: '1' } })
  assert.equal(Cmd, ['-n', 'a of lobby-x', '$(NAME)', '$(UNKNOWN)', '$NAME'])
  for (const line of [
    'ARMADA_FLEET=lobby',
    'ARMADA_HOST=h1',
    'AGONES_SDK_GRPC_PORT=9357',
    'AGONES_SDK_HTTP_PORT=9358',
  ]) {
    assert.ok(Env?.includes(line), line)
  }
})

test('readOnlyRoot leaves /tmp writable; user is passed on', () => {
  const { HostConfig, User } = options({ readOnlyRoot: true, user: '1000:1000' })
  assert.is(HostConfig?.ReadonlyRootfs, true)
  assert.ok(HostConfig?.Tmpfs && '/tmp' in HostConfig.Tmpfs)
  assert.is(User, '1000:1000')
})

test('what a blueprint says of its container reaches Docker', () => {
  const { HostConfig, StopSignal } = options({
    tmpfs: [{ path: '/data', sizeMiB: 16 }],
    capabilities: ['NET_BIND_SERVICE'],
    limits: { cpu: 'shares', cpuSet: '0-1', pids: 64, logMiB: 3, ulimits: { nofile: 4_096, core: 1 } },
    lifecycle: { stopSignal: 'SIGINT' },
  })
  assert.is(StopSignal, 'SIGINT')
  assert.equal(HostConfig?.Tmpfs, { '/data': 'rw,nosuid,nodev,mode=1777,size=16m' })
  assert.equal(HostConfig?.CapAdd, ['NET_BIND_SERVICE'])
  assert.is(HostConfig?.CpuQuota, undefined)
  assert.is(HostConfig?.CpusetCpus, '0-1')
  assert.is(HostConfig?.PidsLimit, 64)
  assert.equal(HostConfig?.LogConfig, { Type: 'json-file', Config: { 'max-size': '1024k', 'max-file': '3' } })
  assert.equal(HostConfig?.Ulimits, [
    { Name: 'nofile', Soft: 4_096, Hard: 4_096 },
    { Name: 'core', Soft: 1_024, Hard: 1_024 },
  ])
})

test('the labels hold all that an agent needs to adopt', () => {
  const mark = markOf(options({ env: { A: 'b' } }).Labels)
  assert.equal([mark?.ship, mark?.attempt, mark?.host, mark?.boot], ['lobby-x', 3, 'h1', 'boot-1'])
  assert.is(mark && grantOf(mark)?.spec.env.A, 'b')
  assert.is(markOf({ 'armada.ship': 'x' }), undefined)
  assert.is(markOf(undefined), undefined)
  const garbled = markOf({ ...options({}).Labels, 'armada.grant': '{"of":"another version"}' })
  assert.is(garbled && grantOf(garbled), null)
  assert.is(garbled?.ship, 'lobby-x')
})

test('the allow-list refuses whatever a ship may not have', () => {
  const good = options({}).HostConfig ?? {}
  checkHostConfig(good, berth.secretsDir)
  const bad: object[] = [
    { Privileged: true },
    { Binds: ['/:/host'] },
    { CapAdd: ['SYS_ADMIN'] },
    { CapDrop: [] },
    { CpusetCpus: '0;rm' },
    { Ulimits: [{ Name: 'rtprio', Soft: 1, Hard: 1 }] },
    { Ulimits: [{ Name: 'nofile', Soft: -1, Hard: -1 }] },
    { LogConfig: { Type: 'none', Config: {} } },
    { LogConfig: { Type: 'json-file', Config: { 'max-size': '10240k', 'max-file': '9999' } } },
    { Tmpfs: { '/proc/x': 'rw,nosuid,nodev,mode=1777,size=16m' } },
    { Tmpfs: { '/data': 'rw,exec,dev' } },
    { NetworkMode: 'container:other' },
    { PidMode: 'host' },
    { SecurityOpt: ['seccomp=unconfined'] },
    { Devices: [{ PathOnHost: '/dev/sda' }] },
    { MemorySwap: -1 },
    { MemorySwap: 1e12 },
    { Memory: 0 },
    { PidsLimit: -1 },
    { RestartPolicy: { Name: 'always' } },
    { Tmpfs: { '/': '' } },
  ]
  for (const extra of bad)
    assert.throws(() => checkHostConfig({ ...good, ...extra }, berth.secretsDir), /a ship may not/)
  assert.throws(() => checkHostConfig({}, berth.secretsDir), /may not be without/)
})

test('log frames: lines whole over chunks of any size, stdout and stderr apart', () => {
  const frame = (stream: number, text: string) => {
    const head = Buffer.alloc(8)
    head[0] = stream
    head.writeUInt32BE(Buffer.byteLength(text), 4)
    return Buffer.concat([head, Buffer.from(text)])
  }
  const all = Buffer.concat([frame(1, 'one\ntw'), frame(2, 'err'), frame(1, 'o\n'), frame(2, 'or\nrest')])
  for (const size of [1, 3, 7, 100]) {
    const reader = new FrameReader()
    const lines: string[] = []
    for (let i = 0; i < all.length; i += size) lines.push(...reader.push(all.subarray(i, i + size)))
    assert.equal([...lines, ...reader.end()], ['one', 'two', 'error', 'rest'])
  }
})

test('lines of the engine: objects in pieces are put together, and what is none is passed over', async () => {
  const pieces = ['{"id":"a"}\n{"i', 'd":"b"}\nnull\n7\n<html>\n\n', '{"id":"c"}\r\n{"id":"cut']
  const seen: object[] = []
  for await (const one of jsonLines(Readable.from(pieces))) seen.push(one)
  assert.equal(seen, [{ id: 'a' }, { id: 'b' }, { id: 'c' }])
})

test('query answers: loose numbers are read, impossible ones refused', () => {
  assert.equal(playersOf({ numplayers: 2, maxplayers: '16', map: 'dm1' }, 'g'), {
    players: 2,
    maxPlayers: 16,
    map: 'dm1',
  })
  assert.is(playersOf({ players: [{}, {}], maxplayers: 8 }, 'g').players, 2)
  for (const answer of [
    {},
    { numplayers: 5, maxplayers: 4 },
    { numplayers: -1, maxplayers: 4 },
    { numplayers: 1.5, maxplayers: 4 },
  ]) {
    assert.throws(() => playersOf(answer, 'g'), /nonsense/)
  }
})

test.run()
