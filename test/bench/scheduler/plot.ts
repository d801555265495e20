// Plot: lines over two logarithmic axes, as SVG.
export interface Line {
  name: string
  points: readonly { x: number; y: number }[]
}

const [width, height, margin] = [720, 440, 60]
const colours = ['#0a6', '#06c', '#c60', '#a0c', '#888']

export function plot(title: string, lines: readonly Line[]): string {
  const xs = lines.flatMap(({ points }) => points.map(({ x }) => Math.log10(x)))
  const ys = lines.flatMap(({ points }) => points.map(({ y }) => Math.log10(y)))
  const [left, right] = [Math.floor(Math.min(...xs)), Math.ceil(Math.max(...xs))]
  const [low, high] = [Math.floor(Math.min(...ys)), Math.ceil(Math.max(...ys))]
  const px = (x: number) => margin + ((x - left) / (right - left)) * (width - 4 * margin)
  const py = (y: number) => height - margin - ((y - low) / (high - low)) * (height - 2 * margin)
  const text = (x: number, y: number, label: string, colour = '#333') =>
    `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" fill="${colour}">${label}</text>`
  const rows = range(low, high).map(
    (y) => rule(px(left), py(y), px(right), py(y)) + text(8, py(y) + 4, `${10 ** y}`),
  )
  const columns = range(left, right).map((x) => text(px(x) - 16, height - margin + 20, `${10 ** x}`))
  const curves = lines.map(({ name, points }, i) => {
    const colour = colours[i % colours.length] as string
    const at = points.map(({ x, y }) => [px(Math.log10(x)), py(Math.log10(y))] as const)
    const last = at.at(-1) ?? [0, 0]
    const path = at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')
    const line = `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`
    return line + text(last[0] + 6, last[1] + 4, name, colour)
  })
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`
  return `${[head, `<title>${title}</title>`, text(margin, 24, title), ...rows, ...columns, ...curves].join('\n')}\n</svg>\n`
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1.toFixed(1)}" x2="${x2}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}
