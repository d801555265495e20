// Resources for the screen.
import { othersIn, type Resources } from '../../shared/model/resources.ts'

/** As in `90 GiB disk, 2 gpu`; a dash when there are none. */
export function othersText(resources: Resources): string {
  const others = othersIn(resources).map(([name, amount]) =>
    name === 'disk' ? diskText(amount) : `${amount} ${name}`,
  )
  return others.join(', ') || '-'
}

function diskText(diskMiB: number): string {
  return `${Math.round(diskMiB / 102.4) / 10} GiB disk`
}
