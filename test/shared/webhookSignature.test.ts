// Signatures as another implementation of the specification verifies them, and its published example.
import assert from 'node:assert/strict'
import { Webhook as Verifier } from 'standardwebhooks'
import { suite } from 'uvu'
import { isWebhookSecret, newWebhookSecret, signedHeaders } from '../../shared/webhookSignature.ts'

const test = suite('webhook signature')
const body = '{"test": 2432232314}'

test('the known answer of the specification', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const headers = signedHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', body, [secret], 1_614_265_330_000)
  assert.equal(headers['webhook-timestamp'], '1614265330')
  assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test('both secrets of an overlap verify, a third does not, nor does a changed body', () => {
  const secrets = [newWebhookSecret(), newWebhookSecret()]
  const headers = signedHeaders('4711-0', body, secrets, Date.now())
  for (const secret of secrets) assert.deepEqual(new Verifier(secret).verify(body, headers), JSON.parse(body))
  assert.throws(() => new Verifier(newWebhookSecret()).verify(body, headers))
  assert.throws(() => new Verifier(secrets[0] as string).verify(`${body} `, headers))
})

test('secrets are well-formed or refused', () => {
  assert.ok(isWebhookSecret(newWebhookSecret()))
  for (const wrong of [
    '',
    'whsec_',
    'whsec_short',
    'sec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa\nw',
  ])
    assert.ok(!isWebhookSecret(wrong), wrong)
})

test.run()
