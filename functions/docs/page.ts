// The API's document as one page for people: nothing in it is fetched from anywhere, and nothing runs.
import { html, raw } from 'hono/html'
import type { Document, Operation } from './document.ts'
import { anchorOf, operationCard, type Problem, problemsOf, problemTable } from './operationCard.ts'
import { type Html, prose } from './prose.ts'
import { schemaTable } from './schemaTable.ts'
import { style } from './style.ts'

/** Routes that people and their programs use come first; those of Armada's own parts last. */
const order = [
  ...['ships', 'fleets', 'allocations', 'blueprints', 'hosts', 'events', 'webhooks', 'cluster', 'health'],
  ...['tokens', 'quotas', 'audit'],
]

interface Route {
  method: string
  path: string
  operation: Operation
}

export function page(document: Document): Html {
  const { title, version, description } = document.info
  const groups = groupsOf(document)
  const common = commonProblems(document)
  const schemas = Object.entries(document.components?.schemas ?? {})
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} API ${version}</title>
<style>${raw(style)}</style>
</head>
<body>
<nav>
  <a class="home" href="#top">${title} <small>${version}</small></a>
  ${groups.map(
    ([tag, routes]) => html`<h2>${tag}</h2>
    ${routes.map(({ method, path, operation }) => html`<a href="#${anchorOf(method, path)}"><span class="method ${method}">${method}</span>${operation.summary}</a>`)}`,
  )}
  <h2>schemas</h2>
  ${schemas.map(([name]) => html`<a href="#schema-${name}">${name}</a>`)}
</nav>
<main id="top">
  <h1>${title} API</h1>
  ${prose(description ?? '')}
  <p>JSON over HTTP. Send <code>Authorization: Bearer &lt;token&gt;</code>. What goes wrong is answered with a
  problem document (RFC 9457) that has a stable <code>code</code> and a <code>detail</code> that says what to do.
  Fields marked <b>*</b> must be there. <a href="/openapi.json">OpenAPI 3.1 document</a></p>
  <details class="problems"><summary>Problems that every route with a token can answer</summary>${problemTable(common)}</details>
  ${groups.map(
    ([tag, routes]) => html`<section><h2>${tag}</h2>
    ${routes.map(({ method, path, operation }) => operationCard(method, path, operation, common))}</section>`,
  )}
  <section><h2>schemas</h2>
  ${schemas.map(([name, schema]) => html`<article id="schema-${name}"><h3>${name}</h3>${schemaTable(schema)}</article>`)}
  </section>
</main>
</body>
</html>`
}

/** Those of every operation that takes a token. */
function commonProblems({ paths }: Document): Problem[] {
  const guarded = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .filter((operation) => (operation['x-roles'] ?? []).length > 0)
  const [first = [], ...others] = guarded.map(problemsOf)
  return first.filter(({ code }) => others.every((problems) => problems.some((one) => one.code === code)))
}

function groupsOf({ paths }: Document): [string, Route[]][] {
  const groups = new Map<string, Route[]>(order.map((tag) => [tag, []]))
  // A collection before what is done with one of its records.
  const sorted = Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [path, methods] of sorted) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? 'others'
      groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation }])
    }
  }
  return [...groups].filter(([, routes]) => routes.length > 0)
}
