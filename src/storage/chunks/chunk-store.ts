import type { Reading } from '../../signals/reading.js';
import type { Columns } from '../codec/chunk.js';
import { LEVELS } from '../rollups/levels.js';
import { RollupTable } from '../rollups/rollup-table.js';
import type { SqliteDatabase } from '../sqlite.js';
import { ChunkTable } from './chunk-table.js';
import { inOrder, rowCount } from './columns.js';
import { rowBytes, type SeriesKind } from './kinds.js';
import { mergeIntoChunks } from './merger.js';
import { RowBuffer } from './row-buffer.js';
import { type Series, SeriesTable } from './series.js';
import { MixedReadings, TailLog } from './tail-log.js';

/** A group of rows that is at least this share of a chunk goes into chunks at once, not by way of the log. */
const DIRECT_ROWS = 1_024;
/** The tail is sealed when it takes this much memory, and with it this much at most is read at a start. */
const SEAL_BYTES = 6 * 2 ** 20;
/** Rows sealed in one step: some ten milliseconds, so that a commit of live data does not wait long behind it. */
const STEP_ROWS = 20_000;

type Buffers = Map<number, RowBuffer>;

/**
 * Readings, features and scores: the newest rows in the tail (in memory, and in the log on disk), the others in
 * compressed chunks. Sealing moves the tail into chunks, step by step: what was there when it began is frozen, then
 * goes series by series; the log up to there is deleted with the last one. A crash in between leaves rows in both,
 * which merging again finds to be there already.
 */
export class ChunkStore {
  readonly series: SeriesTable;
  readonly table: ChunkTable;
  readonly rollups: RollupTable;
  /** By series, what is known to be the newest reading in its chunks; forgotten when it gets others. */
  readonly newestSealed = new Map<number, { readonly reading: Reading | undefined }>();
  readonly #db: SqliteDatabase;
  readonly #log: TailLog;
  #live: Buffers = new Map();
  #frozen: Buffers = new Map();
  #frozenTo = 0;
  #liveBytes = 0;
  /** What a transaction that is under way will have changed in memory. */
  #pending: (() => void)[] = [];
  #mixed = new MixedReadings();
  /** Rows of the log that could not be read at the start. */
  damaged = 0;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    this.series = new SeriesTable(db);
    this.table = new ChunkTable(db);
    this.rollups = new RollupTable(db);
    this.#log = new TailLog(db);
    this.reload();
  }

  /** Reads the tail from its log: at the start, or to see what another process has written since. */
  reload(): void {
    this.#live = new Map();
    this.#frozen = new Map();
    this.#liveBytes = 0;
    this.damaged = 0;
    this.series.forget();
    this.newestSealed.clear();
    this.#log.load(
      (id) => this.#bufferOf(id),
      () => this.damaged++,
    );
    for (const { shape, count } of this.#live.values()) this.#liveBytes += count * rowBytes(shape);
  }

  /** Rows of one series; in a transaction, which `settle` follows. Returns nothing: sealed is told by `onAdded`. */
  append(series: Series, rows: Columns): void {
    const count = rowCount(rows);
    checkColumns(rows);
    if (count === 0) return;
    if (count >= DIRECT_ROWS && !series.shape.replaces) {
      this.#merge(series, inOrder(rows, false));
      return;
    }
    this.#log.append(series.id, rows);
    this.#pending.push(() => {
      this.#bufferOf(series.id)?.append(rows);
      this.#liveBytes += count * rowBytes(series.shape);
    });
  }

  /** One reading; in a transaction. It is in the log after `flush`. */
  appendReading(seriesId: number, timeUs: number, value: number, code: number): void {
    if (!Number.isSafeInteger(timeUs)) throw new RangeError(`a time of ${timeUs} microseconds`);
    this.#mixed.push(seriesId, timeUs, value, code);
  }

  /** The last thing in a transaction: single readings go into the log together. */
  flush(): void {
    const mixed = this.#mixed;
    this.#mixed = new MixedReadings();
    if (mixed.count === 0) return;
    this.#log.appendMixed(mixed);
    this.#pending.push(() => {
      mixed.appendTo((id) => this.#bufferOf(id));
      this.#liveBytes += mixed.count * 17;
    });
  }

  /** After the commit, or the rollback: memory follows the disk. */
  settle(committed: boolean): void {
    const pending = this.#pending;
    this.#pending = [];
    this.#mixed = new MixedReadings();
    if (committed) for (const change of pending) change();
    else this.series.forget();
  }

  /** Whether a step of sealing is due. */
  get sealDue(): boolean {
    return this.#frozen.size > 0 || this.#liveBytes >= SEAL_BYTES;
  }

  /** Rows in the tail. */
  get tailRows(): number {
    let rows = 0;
    for (const buffers of [this.#frozen, this.#live]) for (const { count } of buffers.values()) rows += count;
    return rows;
  }

  /** One step of sealing, in a transaction of its own. Gives whether there is more to do. */
  sealStep(): boolean {
    if (this.#frozen.size === 0) {
      if (this.#live.size === 0) return false;
      this.#frozen = this.#live;
      this.#frozenTo = this.#log.head();
      this.#live = new Map();
      this.#liveBytes = 0;
    }
    const sealed: number[] = [];
    this.#db.transaction(() => {
      let rows = 0;
      for (const [id, buffer] of this.#frozen) {
        if (rows >= STEP_ROWS) break;
        const series = this.series.byId(id);
        if (series !== undefined) this.#merge(series, inOrder(buffer.columns(), buffer.shape.replaces));
        rows += buffer.count;
        sealed.push(id);
      }
      if (sealed.length === this.#frozen.size) this.#log.removeTo(this.#frozenTo);
    })();
    for (const id of sealed) this.#frozen.delete(id);
    return this.#frozen.size > 0;
  }

  /** Rows of a kind; one that is late and still in the tail may be counted twice. */
  count(kind: SeriesKind): number {
    const sealed = this.#db
      .prepare(
        'SELECT coalesce(sum(count), 0) FROM chunks WHERE series_id IN (SELECT id FROM series WHERE kind = ?)',
      )
      .pluck()
      .get(kind);
    let tail = 0;
    for (const buffers of [this.#frozen, this.#live])
      for (const [id, { count }] of buffers) if (this.series.byId(id)?.kind === kind) tail += count;
    return Number(sealed) + tail;
  }

  /** The rows of a series that are in the tail, as they came: older ones first. */
  tailOf(seriesId: number): Columns[] {
    return [this.#frozen, this.#live].flatMap((buffers) => buffers.get(seriesId)?.columns() ?? []);
  }

  /** Times of the first and the last row of a series, aggregates included. */
  span(seriesId: number): { readonly fromUs: number; readonly toUs: number } {
    let fromUs = Math.min(
      this.table.oldestUs(seriesId) ?? Number.POSITIVE_INFINITY,
      ...LEVELS.map((level) => this.rollups.oldestUs(seriesId, level) ?? Number.POSITIVE_INFINITY),
    );
    let toUs = this.table.newestUs(seriesId) ?? Number.NEGATIVE_INFINITY;
    for (const { timesUs } of this.tailOf(seriesId)) {
      for (const timeUs of timesUs) {
        if (timeUs < fromUs) fromUs = timeUs;
        if (timeUs > toUs) toUs = timeUs;
      }
    }
    return { fromUs, toUs };
  }

  /** The reading of the tail with the latest time, the last that came of several. */
  newestOfTail(seriesId: number): ReturnType<RowBuffer['newestReading']> {
    const frozen = this.#frozen.get(seriesId)?.newestReading();
    const live = this.#live.get(seriesId)?.newestReading();
    if (frozen === undefined || live === undefined) return live ?? frozen;
    return frozen.timeUs > live.timeUs ? frozen : live;
  }

  /** Time of the newest row of all; undefined where there is none. */
  newestUs(): number | undefined {
    const sealed = this.#db
      .prepare(
        'SELECT max(newest) FROM (SELECT (SELECT max(to_us) FROM chunks WHERE series_id = s.id) AS newest FROM series s)',
      )
      .pluck()
      .get() as number | null;
    let newestUs = sealed ?? undefined;
    for (const buffers of [this.#frozen, this.#live])
      for (const { newestUs: us } of buffers.values())
        if (us !== undefined && (newestUs === undefined || us > newestUs)) newestUs = us;
    return newestUs;
  }

  #merge(series: Series, rows: Columns): void {
    this.newestSealed.delete(series.id);
    const added = mergeIntoChunks(this.table, series, rows);
    if (series.kind === 'readings' && rowCount(added) > 0) this.rollups.add(series.id, added);
  }

  #bufferOf(seriesId: number): RowBuffer | undefined {
    const known = this.#live.get(seriesId);
    if (known !== undefined) return known;
    const series = this.series.byId(seriesId);
    if (series === undefined) return undefined;
    const buffer = new RowBuffer(series.shape);
    this.#live.set(seriesId, buffer);
    return buffer;
  }
}

function checkColumns({ timesUs, doubles, codes, texts }: Columns): void {
  const { length } = timesUs;
  if ([...doubles, ...codes, ...texts].some((column) => column.length !== length))
    throw new RangeError('columns of different lengths');
  for (const timeUs of timesUs)
    if (!Number.isSafeInteger(timeUs)) throw new RangeError(`a time of ${timeUs} microseconds`);
}
