// The API's document: for programs at /openapi.json, for people at /docs.
import { Hono } from 'hono'
import type { Document } from '../docs/document.ts'
import { page } from '../docs/page.ts'
import type { Html } from '../docs/prose.ts'
import type { Env } from '../middleware/authenticate.ts'

/** @param describe makes the document; it takes some 20 ms, so what is made of it is kept. */
export function docsService(describe: () => Document): Hono<Env> {
  let document: string | undefined
  let shown: Html | undefined
  return new Hono<Env>()
    .get('/openapi.json', (c) => {
      document ??= JSON.stringify(describe())
      return c.body(document, 200, { 'content-type': 'application/json' })
    })
    .get('/docs', (c) => {
      shown ??= page(describe())
      // Everything stands in the page itself, so that it needs nothing else and may fetch nothing else.
      return c.html(shown, 200, {
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      })
    })
}
