// Sentences of the document: what stands between backticks is code, an empty line begins a paragraph.
import { html } from 'hono/html'

export type Html = ReturnType<typeof html>

export function prose(text: string): Html {
  return html`${text.split('\n\n').map((paragraph) => html`<p>${withCode(paragraph)}</p>`)}`
}

export function withCode(text: string): Html {
  return html`${text.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}`
}
