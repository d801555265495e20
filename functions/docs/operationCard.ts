// One route of the API as a card: what it does, who may, what is sent, what comes back.
import { html } from 'hono/html'
import type { Content, Operation, Parameter, Schema } from './document.ts'
import { type Html, prose, withCode } from './prose.ts'
import { schemaTable } from './schemaTable.ts'

export function anchorOf(method: string, path: string): string {
  return `${method}-${path.replace(/[^a-z0-9]+/gi, '-')}`
}

/** @param common problems that are told once for all routes. */
export function operationCard(
  method: string,
  path: string,
  operation: Operation,
  common: readonly Problem[],
): Html {
  const { summary, description, parameters = [], requestBody, responses } = operation
  const roles = operation['x-roles'] ?? []
  const limited = operation['x-scope'] === undefined ? '' : '; also one that is limited to fleets'
  const good = Object.entries(responses).filter(([status]) => Number(status) < 400)
  const bad = problemsOf(operation).filter((one) => !common.some(({ code }) => code === one.code))
  return html`<article id="${anchorOf(method, path)}">
    <h3><span class="method ${method}">${method.toUpperCase()}</span> <code>${path}</code></h3>
    <p class="summary">${summary}</p>
    ${description ? prose(description) : ''}
    <p class="roles">${roles.length > 0 ? html`Token of: ${roles.join(', ')}${limited}` : 'Without a token'}</p>
    ${parameters.length > 0 ? html`<h4>Parameters</h4>${parameterTable(parameters)}` : ''}
    ${requestBody ? html`<h4>Body</h4>${contentOf(requestBody.content)}` : ''}
    ${good.map(
      ([
        status,
        { description, content },
      ]) => html`<h4>Answer <code>${status}</code> ${withCode(description)}</h4>
      ${content ? contentOf(content) : ''}`,
    )}
    ${bad.length > 0 ? html`<details class="problems"><summary>Problems</summary>${problemTable(bad)}</details>` : ''}
  </article>`
}

function contentOf(content: Content): Html {
  return html`${Object.values(content).map(
    ({ schema, example }) => html`
      ${example === undefined ? '' : html`<pre><code>${JSON.stringify(example, null, 2)}</code></pre>`}
      ${schema ? fieldsOf(schema, example === undefined) : ''}`,
  )}`
}

/** A schema with a name has its fields in its own place. */
function fieldsOf(schema: Schema, open: boolean): Html {
  if (schema.$ref) return schemaTable(schema)
  return html`<details ${open ? 'open' : ''}><summary>Fields</summary>${schemaTable(schema)}</details>`
}

/** Parameters are fields that stand outside the body. */
function parameterTable(parameters: readonly Parameter[]): Html {
  const fields = parameters.map(({ name, in: where, description, schema }) => {
    const about = [`In the ${where}.`, description ?? schema?.description].filter(Boolean).join(' ')
    return [name, { ...schema, description: about }] as const
  })
  const required = parameters.filter((one) => one.required).map((one) => one.name)
  return schemaTable({ properties: Object.fromEntries(fields), required })
}

export interface Problem {
  status: string
  code: string
  title: string
}

export function problemsOf({ responses }: Operation): Problem[] {
  return Object.entries(responses).flatMap(([status, { description }]) => {
    if (Number(status) < 400) return []
    return description.split('; ').map((kind) => {
      const [code = '', title = ''] = kind.split(/: (.*)/)
      return { status, code, title }
    })
  })
}

export function problemTable(problems: readonly Problem[]): Html {
  const rows = problems.map(
    ({ status, code, title }) =>
      html`<tr><th><code>${status}</code></th><td><code>${code}</code> ${title}</td></tr>`,
  )
  return html`<table class="fields"><tbody>${rows}</tbody></table>`
}
