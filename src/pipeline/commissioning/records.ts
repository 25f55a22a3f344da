import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { EventType } from '../../events/event.js';
import type { Store } from '../../storage/store.js';
import type { Announcer } from '../announcements/announcer.js';
import { type CommissioningRecord, documentsOf, parseRecord, RECORD_PREFIX } from './record.js';
import { sentenceOf } from './sentence.js';

export interface RecordsDeps {
  readonly clock: Clock;
  readonly newId: NewId;
  readonly store: Pick<Store, 'documents' | 'save'>;
  readonly announcer: Pick<Announcer, 'fact'>;
}

const SAVE_MS = 60_000;
/** Points that are learned at a time; each costs a few numbers. */
const MAX_POINTS = 1_000;

/** How far each point has come with being learned: in memory, on disk, and told where its state changes. */
export class CommissioningRecords {
  readonly #deps: RecordsDeps;
  readonly #records = new Map<string, CommissioningRecord>();
  readonly #dirty = new Set<string>();
  #savedMs = 0;

  constructor(deps: RecordsDeps) {
    this.#deps = deps;
  }

  /** Takes up what was under way before the restart. */
  async restore(): Promise<void> {
    for (const [, document] of await this.#deps.store.documents(RECORD_PREFIX)) {
      const record = parseRecord(document);
      if (record === undefined) continue;
      // A training that was cut short is begun again; its finished trials are kept.
      this.#records.set(
        record.point,
        record.state === 'training' ? { ...record, state: 'collecting' } : record,
      );
    }
  }

  get(point: string): CommissioningRecord | undefined {
    return this.#records.get(point);
  }

  /** All points that are or were learned, by name. */
  list(): CommissioningRecord[] {
    return [...this.#records.values()].sort((a, b) => a.point.localeCompare(b.point));
  }

  /**
   * Those of a point or a machine.
   * @param otherwise what is wrong where none is as wanted
   * @throws SmEdgeError `COMMISSIONING_UNKNOWN`, `COMMISSIONING_STATE`
   */
  of(
    target: string,
    wanted: (record: CommissioningRecord) => boolean,
    otherwise: string,
  ): CommissioningRecord[] {
    const named = this.list().filter(({ point, machine }) => point === target || machine === target);
    if (named.length === 0)
      throw new SmEdgeError('COMMISSIONING_UNKNOWN', `${target} was never learned`, {
        hint: '"sm-edge commission list" shows what is; "sm-edge commission start" begins',
      });
    const found = named.filter(wanted);
    if (found.length > 0) return found;
    throw new SmEdgeError('COMMISSIONING_STATE', `${target} ${otherwise}`, {
      hint: '"sm-edge commission list" shows where it stands',
    });
  }

  /** Whether there is room for one more. @throws SmEdgeError `COMMISSIONING_FULL` */
  admit(point: string): void {
    if (!this.#records.has(point) && this.#records.size >= MAX_POINTS)
      throw new SmEdgeError('COMMISSIONING_FULL', `${MAX_POINTS} points are learned already`);
  }

  /** Counts go on: on disk with the next save. */
  put(record: CommissioningRecord): void {
    this.#records.set(record.point, record);
    this.#dirty.add(record.point);
  }

  /** How far a training has come; after a restart it begins anew. */
  show(record: CommissioningRecord): void {
    this.#records.set(record.point, record);
  }

  /** Changes state, which is on disk and told when this resolves. */
  async change(
    record: CommissioningRecord,
    type: EventType = 'LearningDataCaptured',
    payload: Readonly<Record<string, unknown>> = {},
  ): Promise<CommissioningRecord> {
    const { announcer, newId, clock } = this.#deps;
    const next = { ...record, sinceMs: clock.nowMs() };
    this.#records.set(next.point, next);
    const { point, machine, state, by } = next;
    const message = `${point}: ${sentenceOf(next)}`;
    await announcer.fact(
      type,
      { point, machine, state, by, message, time: new Date(next.sinceMs).toISOString(), ...payload },
      newId(),
      documentsOf(next),
    );
    this.#dirty.delete(point);
    return next;
  }

  /** Saves what was put since, once a minute. */
  async saveWhereDue(): Promise<void> {
    if (this.#deps.clock.monotonicMs() - this.#savedMs >= SAVE_MS) await this.save();
  }

  async save(): Promise<void> {
    this.#savedMs = this.#deps.clock.monotonicMs();
    const changed = [...this.#dirty].flatMap((point) => this.#records.get(point) ?? []);
    this.#dirty.clear();
    if (changed.length > 0) await this.#deps.store.save({ documents: documentsOf(...changed) });
  }
}
