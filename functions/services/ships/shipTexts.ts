// Single ships as the JSON that is sent: a record is written out once, and only its sample is asked for each time.
import type { Ship } from '../../../shared/model/ship.ts'
import type { Lookups } from '../../stores/lookups.ts'
import type { Row } from '../../stores/mirror/table.ts'
import { isMeasured, shownOf } from '../views.ts'

export class ShipTexts {
  readonly #samples: Lookups['samples']
  /** Up to the sample. A changed record is another row, so that nothing here grows old. */
  readonly #beginnings = new WeakMap<Row<Ship>, string>()

  constructor({ samples }: Pick<Lookups, 'samples'>) {
    this.#samples = samples
  }

  async of(row: Row<Ship>): Promise<string> {
    const [sample] = isMeasured(row.value) ? await this.#samples.textsOfShips([row.value.id]) : []
    return this.with(row, sample)
  }

  /** @param sample of a ship that is measured, as JSON. */
  with(row: Row<Ship>, sample: string | null | undefined): string {
    let beginning = this.#beginnings.get(row)
    if (beginning === undefined) {
      beginning = `${JSON.stringify(shownOf(row)).slice(0, -1)},"sample":`
      this.#beginnings.set(row, beginning)
    }
    return `${beginning}${sample ?? 'null'}}`
  }
}
