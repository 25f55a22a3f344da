import type { Reading } from '../../signals/reading.js';
import { toMs } from '../rows.js';
import type { ChunkStore } from './chunk-store.js';
import { rowCount, slice } from './columns.js';
import type { Series } from './series.js';
import { readingOf, toReadings } from './wire-rows.js';

/** The newest reading of each point, without reading the chunk of each again and again. */
export class NewestReadings {
  readonly #store: ChunkStore;

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  /** Of each of the points that has a reading, the one with the latest time, in whatever unit. */
  of(points: readonly string[]): Reading[] {
    return points.flatMap((point) => {
      let newest: Reading | undefined;
      for (const series of this.#store.series.ofPoint(point, 'readings')) {
        const reading = this.#ofSeries(series);
        if (reading !== undefined && (newest === undefined || reading.timeMs >= newest.timeMs))
          newest = reading;
      }
      return newest ?? [];
    });
  }

  #ofSeries(series: Series): Reading | undefined {
    const sealed = this.#newestSealed(series);
    const tail = this.#store.newestOfTail(series.id);
    if (tail === undefined) return sealed;
    if (sealed !== undefined && sealed.timeMs > toMs(tail.timeUs)) return sealed;
    return readingOf(series, tail.timeUs, tail.value, tail.code);
  }

  #newestSealed(series: Series): Reading | undefined {
    const known = this.#store.newestSealed.get(series.id);
    if (known !== undefined) return known.reading;
    const head = this.#store.table.newest(series.id);
    const rows = head === undefined ? undefined : this.#store.table.read(head.id);
    const count = rows === undefined ? 0 : rowCount(rows);
    const reading = count === 0 ? undefined : toReadings(series, slice(rows!, count - 1, count))[0];
    this.#store.newestSealed.set(series.id, { reading });
    return reading;
  }
}
