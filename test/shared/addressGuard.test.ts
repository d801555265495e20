// Which addresses and URLs webhooks may go to.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { AddressGuard, parseRanges } from '../../shared/addressGuard.ts'
import { readSettings } from '../../shared/settings.ts'

const test = suite('address guard')
const strict = new AddressGuard('')
const own = new AddressGuard('127.0.0.0/8, ::1,10.1.0.0/16')

test('every address that is not plain global unicast is refused', () => {
  const refused = [
    ...['0.0.0.0', '127.0.0.1', '127.8.9.1', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '100.100.100.200', '192.0.0.192', '198.18.0.1', '203.0.113.7'],
    ...['192.88.99.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '168.63.129.16'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1'],
    ...['2002:7f00:1::', '2001::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
    ...['ff02::1', '2001:db8::1', '100::1', '3fff::1', '', 'localhost', '8.8.8', '0x7f.1', '010.0.0.1'],
  ]
  for (const address of refused) assert.ok(strict.refusal(address, 'https:'), address)
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1111', '172.32.0.1'])
    assert.equal(strict.refusal(address, 'https:'), undefined, address)
})

test('ranges of the setting are allowed, also by plain http; public addresses only by https', () => {
  for (const address of ['127.0.0.1', '::1', '10.1.2.3']) {
    assert.equal(own.refusal(address, 'https:'), undefined)
    assert.equal(own.refusal(address, 'http:'), undefined)
  }
  assert.match(own.refusal('10.2.0.1', 'https:') ?? '', /private.*ARMADA_WEBHOOK_ALLOW/)
  assert.match(own.refusal('8.8.8.8', 'http:') ?? '', /only https/)
  assert.ok(own.refusal('::ffff:127.0.0.1', 'http:'), 'another spelling of an allowed address')
})

test('URLs that name an address in any spelling are known for what they are', () => {
  const loopbacks = ['127.0.0.1', '127.1', '0x7f.1', '2130706433', '017700000001', '[::1]', '[::ffff:7f00:1]']
  for (const host of loopbacks) assert.ok(strict.refusalOfUrl(new URL(`https://${host}/hook`)), host)
  assert.equal(strict.refusalOfUrl(new URL('https://hooks.example/armada')), undefined)
  assert.equal(strict.refusalOfUrl(new URL('https://hooks.example:8443/armada')), undefined)
  for (const url of [
    ...[
      'http://hooks.example/',
      'ftp://hooks.example/',
      'https://user@hooks.example/',
      'https://a:b@hooks.example/',
    ],
    ...['file:///etc/passwd', 'https://hooks.example:0/', 'http://8.8.8.8/'],
  ])
    assert.ok(strict.refusalOfUrl(new URL(url)), url)
  assert.equal(
    own.refusalOfUrl(new URL('http://hooks.internal/')),
    undefined,
    'a name is judged when it is resolved',
  )
})

test('the setting is read strictly', () => {
  assert.equal(parseRanges('').length, 0)
  assert.equal(parseRanges('10.0.0.0/8, fd00::/8,192.168.1.7').length, 3)
  for (const wrong of ['10.0.0.0/33', '10.0.0', 'localhost', '10.0.0.0-10.0.0.9']) {
    assert.throws(() => parseRanges(wrong), /neither an address nor a range/)
    const env = { ARMADA_ZOOKEEPER: 'a:1', ARMADA_RUNNER_TOKEN: 'a-token-for-runner-tests' }
    assert.throws(
      () => readSettings('runner', { ...env, ARMADA_WEBHOOK_ALLOW: wrong }),
      /ARMADA_WEBHOOK_ALLOW/,
    )
  }
})

test.run()
