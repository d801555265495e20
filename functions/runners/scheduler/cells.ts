// Cells: what stands where in a host's row of the stock's table.
//
// A row is 64 bytes, one line of the processor's cache: most of the time of ranking is waiting for those.

/** Cells of a row, all of them floats, because what hosts report may add up to more than 31 bits. */
export const cell = {
  freeCpuMillis: 0,
  freeMemoryMiB: 1,
  /** Free numbers of the host's range. */
  freePorts: 2,
  /** Ships that are on it or on their way. */
  ships: 3,
  /** Number of its kind; -1 where no host is. */
  kind: 4,
  /** Capacities. */
  cpuMillis: 5,
  memoryMiB: 6,
  /** What the host scores while it is empty. */
  size: 7,
} as const

/** Cells in a row. */
export const rowCells = 8
