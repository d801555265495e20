// Resources for the screen.
import { othersIn, type Resources } from '../shared/model/resources.ts'

/** As in `4 cores, 8192 MiB, 90 GiB disk, 2 gpu`. */
export function resourcesText(resources: Resources): string {
  const others = othersIn(resources).map(([name, amount]) =>
    name === 'disk' ? diskText(amount) : `${amount} ${name}`,
  )
  return [`${resources.cpuMillis / 1_000} cores`, `${resources.memoryMiB} MiB`, ...others].join(', ')
}

function diskText(diskMiB: number): string {
  return `${Math.round(diskMiB / 102.4) / 10} GiB disk`
}
