// How the page of the API's document looks, by day and by night.

export const style = `
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5a6b7b; --line: #dfe5ea; --paper: #fff; --sheet: #f6f8fa; --link: #0b63c5;
  --get: #0b63c5; --post: #1a7f4b; --put: #9a6700; --patch: #9a6700; --delete: #c0322b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dde6ee; --soft: #93a4b5; --line: #2b3945; --paper: #10181f; --sheet: #17222b; --link: #6cb2ff;
    --get: #6cb2ff; --post: #5bd08f; --put: #e3b341; --patch: #e3b341; --delete: #ff8a80 } }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { margin: 0; display: flex; font: 15px/1.5 system-ui, "Liberation Sans", sans-serif; color: var(--ink); background: var(--paper) }
a { color: var(--link); text-decoration: none }
a:hover { text-decoration: underline }
code, pre, .type { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .88em }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; flex: 0 0 19rem; padding: 1.2rem; background: var(--sheet);
  border-right: 1px solid var(--line); font-size: .87rem }
nav a { display: flex; padding: .12rem 0; color: var(--ink); line-height: 1.35 }
nav .home { gap: .5rem; align-items: baseline; font-size: 1.2rem; font-weight: 700 }
nav .home small { font-weight: 400; color: var(--soft) }
nav h2 { margin: 1.1rem 0 .2rem; font-size: .75rem; text-transform: uppercase; letter-spacing: .08em; color: var(--soft) }
nav .method { flex: 0 0 3.3rem; line-height: 1.75; font-size: .7rem; background: none; padding: 0; text-transform: uppercase }
main { flex: 1; min-width: 0; max-width: 56rem; padding: 1.5rem 2.5rem 6rem }
h1 { margin: 0 0 .5rem; font-size: 1.9rem }
section > h2 { margin: 3rem 0 1rem; text-transform: capitalize; border-bottom: 2px solid var(--line) }
article { margin: 0 0 1.6rem; padding: 1rem 1.3rem; border: 1px solid var(--line); border-radius: 8px }
article:target { border-color: var(--link) }
h3 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere }
h4 { margin: 1.1rem 0 .4rem; font-size: .9rem; color: var(--soft) }
p { margin: .3rem 0 }
.summary { font-weight: 600 }
.roles { color: var(--soft); font-size: .87rem }
.method { font: 700 .8rem ui-monospace, "Liberation Mono", monospace; padding: .1rem .45rem; border-radius: 4px; background: var(--sheet) }
.get { color: var(--get) } .post { color: var(--post) } .put { color: var(--put) } .patch { color: var(--patch) } .delete { color: var(--delete) }
pre { margin: .3rem 0; padding: .8rem 1rem; max-height: 24rem; overflow: auto; background: var(--sheet); border-radius: 6px; line-height: 1.4 }
table { width: 100%; border-collapse: collapse }
th, td { padding: .35rem .5rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top }
th { width: 11rem; font-weight: 600; overflow-wrap: anywhere }
th b { color: var(--delete) }
.rule { font-family: ui-monospace, "Liberation Mono", monospace; color: var(--soft); font-size: .8rem; overflow-wrap: anywhere }
.type { overflow-wrap: anywhere }
td p { font-size: .92rem }
summary { cursor: pointer; color: var(--link); font-size: .87rem; margin: .3rem 0 }
@media (max-width: 800px) { body { display: block } nav { position: static; height: auto; max-height: 40vh } main { padding: 1rem } th { width: 7rem } }
`
