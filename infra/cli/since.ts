// `--since` of people: a time, or how long ago.
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The time that it means now, as the API takes it. @throws Error that says what to write. */
export function sinceTime(text: string): string {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (amount) return new Date(Math.max(0, Date.now() - Number(amount) * (unitMs[unit] ?? 0))).toISOString()
  const atMs = /^\d{4}-\d\d-\d\d(T.*(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(atMs)) return new Date(atMs).toISOString()
  throw new Error(
    `--since must be how long ago, such as 90s, 10m, 2h or 1d, or a time such as 2026-11-02T18:00:00Z, not "${text}".`,
  )
}
