// Bounds of what a process remembers: maps and sets keep their order, so that the oldest is the first.

/** Forgets the oldest until at most so many are left. */
export function forgetOldest<K>(
  all: { readonly size: number; keys(): Iterable<K>; delete(key: K): boolean },
  most: number,
): void {
  if (all.size <= most) return
  for (const key of all.keys()) {
    all.delete(key)
    if (all.size <= most) return
  }
}
