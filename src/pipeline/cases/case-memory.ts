import { ALARM_EVENT_TYPES } from '../../alarms/event-type.js';
import { SmEdgeError, toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { medianOf } from '../../base/median.js';
import type { EventBus } from '../../events/bus.js';
import type { GatewayEvent } from '../../events/event.js';
import type { FeatureVector } from '../../features/spec.js';
import { pointParts } from '../../signals/point.js';
import type { FeatureRow, Store } from '../../storage/store.js';
import { TROUBLE_EVENTS, type Troubles, troublesOf } from '../commissioning/troubles.js';
import type { MachineRegistry } from '../machines/machines.js';
import {
  CASE_PREFIX,
  caseDocument,
  type FaultRecord,
  HEALTHY_PREFIX,
  type HealthyRecord,
  healthyDocument,
  labelOf,
  parseCase,
  parseHealthy,
} from './case-record.js';
import { type NearestCases, nearestCases } from './nearest.js';
import { parsePeriod } from './period.js';

export interface CaseMemoryDeps {
  readonly logger: Logger;
  readonly store: Pick<Store, 'documents' | 'features' | 'journal' | 'write'>;
  readonly bus: Pick<EventBus, 'subscribe'>;
  readonly machines: Pick<MachineRegistry, 'contextOf'>;
  /** A case came or went: what is made of them is made anew. */
  readonly onChange: (change: Pick<FaultRecord, 'machineClass' | 'quantity'>) => void;
}

/** What a person called it, when it was, and where that was said. */
type Named = Pick<FaultRecord, 'label' | 'cause' | 'by' | 'fromMs' | 'toMs' | 'alarm' | 'period'>;

/** Cases kept; the oldest of the fault that has most go first. */
const MAX_CASES = 1_000;
/** Windows that a case is made of at most: the beginning of what a person named. */
const MAX_WINDOWS = 500;
/** A stretch that a person reported is looked at in so many places. */
const PARTS = 10;
const EXAMPLES = 8;
const MAX_EVENTS = 10_000;
/** Of a true alarm without end only so much is taken, milliseconds. */
const LONGEST_MS = 86_400_000;
/** An anomaly comes before the alarm that it raises, milliseconds. */
const BEFORE_MS = 60_000;

/** What people called true alarms: each a case, kept for good, by which later anomalies are explained and named. */
export class CaseMemory {
  readonly #deps: CaseMemoryDeps;
  readonly #cases = new Map<string, FaultRecord>();
  readonly #healthy = new Map<string, HealthyRecord>();

  constructor(deps: CaseMemoryDeps) {
    this.#deps = deps;
  }

  async restore(): Promise<void> {
    const { store } = this.#deps;
    for (const [, document] of await store.documents(CASE_PREFIX)) {
      const record = parseCase(document);
      if (record !== undefined) this.#cases.set(record.id, record);
    }
    for (const [, document] of await store.documents(HEALTHY_PREFIX)) {
      const record = parseHealthy(document);
      if (record !== undefined) this.#healthy.set(record.point, record);
    }
  }

  /** Hears of labels from now on, and of those since it last did. */
  async start(): Promise<void> {
    await this.#deps.bus.subscribe({
      name: 'cases',
      types: ['AlarmLabelled', 'PeriodLabelled'],
      handler: (event) => (event.type === 'PeriodLabelled' ? this.#takePeriod(event) : this.#take(event)),
    });
  }

  /** The newest first. */
  list(): FaultRecord[] {
    return [...this.#cases.values()].sort((a, b) => b.fromMs - a.fromMs);
  }

  /** Cases that say something of a point: of machines of the class, at the same quantity. */
  of(machineClass: string, quantity: string): FaultRecord[] {
    return this.list().filter((one) => one.machineClass === machineClass && one.quantity === quantity);
  }

  healthyOf(point: string): HealthyRecord | undefined {
    return this.#healthy.get(point);
  }

  /** Points that were learned. */
  healthyPoints(): string[] {
    return [...this.#healthy.keys()];
  }

  /** What is healthy at a point, as it was learned. */
  async learned(record: HealthyRecord): Promise<void> {
    await this.#deps.store.write({ documents: [healthyDocument(record)] });
    this.#healthy.set(record.point, record);
  }

  nearest(point: string, features: FeatureVector): NearestCases {
    const { machineClass, quantity } = this.#deps.machines.contextOf(point);
    return nearestCases(point, features, this.of(machineClass, quantity), (of) => this.#healthy.get(of));
  }

  /** @throws SmEdgeError `CASE_UNKNOWN` */
  async forget(id: string): Promise<void> {
    const record = this.#cases.get(id);
    if (record === undefined)
      throw new SmEdgeError('CASE_UNKNOWN', `there is no case ${id}`, { hint: '"sm-edge cases list"' });
    await this.#deps.store.write({ documents: [{ key: `${CASE_PREFIX}${id}`, document: null }] });
    this.#cases.delete(id);
    this.#deps.onChange(record);
  }

  async #take(event: GatewayEvent): Promise<void> {
    const { point, alarm, correct, cause } = event.payload as {
      point: string;
      alarm: string;
      correct: boolean;
      cause?: string;
    };
    const { machine } = pointParts(point);
    const label = labelOf(cause ?? '');
    const events = await this.#eventsOf(point);
    const { labels, anomalies } = troublesOf(events, machine);
    const span = labels.find(({ id }) => id === event.id);
    // Corrected: what was called true before is no case any more.
    const earlier = this.list().filter(
      (one) => one.alarm === alarm && one.id.startsWith(`${idOf(span?.fromMs ?? 0, alarm)}:`),
    );
    for (const one of earlier) await this.forget(one.id);
    if (span === undefined || !correct || label === '') return;
    const { fromMs, by } = span;
    const toMs = Math.min(span.toMs, fromMs + LONGEST_MS);
    const named = { label, cause: cause!, alarm, by, fromMs, toMs };
    await this.#keep(point, idOf(fromMs, alarm), named, anomalies, (of) =>
      this.#deps.store.features(of, fromMs, toMs, MAX_WINDOWS),
    );
  }

  /** A person reported a stretch of time: a fault of it is a case as a true alarm is, whatever the gateway saw. */
  async #takePeriod(event: GatewayEvent): Promise<void> {
    const said = parsePeriod(event.payload);
    if (said === undefined) return;
    const stale = this.list().filter(({ period }) => period !== undefined && said.replaces.includes(period));
    for (const one of stale) await this.forget(one.id);
    const label = labelOf(said.cause ?? '');
    if (said.verdict !== 'fault' || label === '') return;
    const { point, by } = said;
    const [fromMs, toMs] = [Date.parse(said.from), Date.parse(said.to)];
    const { anomalies } = troublesOf(await this.#eventsOf(point), pointParts(point).machine);
    const named = { label, cause: said.cause!, period: event.id, by, fromMs, toMs };
    await this.#keep(point, event.id, named, anomalies, (of) => this.#evenly(of, fromMs, toMs));
  }

  /** Windows from all over a stretch of time: hours of it are not what its first minutes are. */
  async #evenly(point: string, fromMs: number, toMs: number): Promise<FeatureRow[]> {
    const partMs = (toMs - fromMs) / PARTS;
    const rows: FeatureRow[] = [];
    for (let from = fromMs; from < toMs; from += partMs)
      rows.push(
        ...(await this.#deps.store.features(
          point,
          from,
          Math.min(toMs, from + partMs),
          Math.ceil(MAX_WINDOWS / PARTS),
        )),
      );
    return rows;
  }

  /** Makes a case for each point that has features, and keeps it. */
  async #keep(
    point: string,
    id: string,
    named: Named,
    anomalies: Troubles['anomalies'],
    rowsOf: (point: string) => Promise<readonly FeatureRow[]>,
  ): Promise<void> {
    for (const of of await this.#pointsWithFeatures(point)) {
      const diagnosis = anomalies.findLast(
        ({ point: at, timeMs, fault }) =>
          at === of &&
          timeMs >= named.fromMs - BEFORE_MS &&
          timeMs <= named.toMs &&
          fault !== undefined &&
          fault !== 'normal' &&
          fault !== 'unknown',
      )?.fault;
      const record = this.#recordOf(of, id, named, await rowsOf(of), diagnosis);
      if (record === undefined) continue;
      await this.#deps.store.write({ documents: [caseDocument(record)] });
      this.#cases.set(record.id, record);
      await this.#forgetOldest();
      this.#deps.onChange(record);
    }
  }

  #recordOf(
    point: string,
    id: string,
    named: Named,
    rows: readonly FeatureRow[],
    diagnosis: string | undefined,
  ): FaultRecord | undefined {
    if (rows.length === 0) return undefined;
    const { machineClass, quantity } = this.#deps.machines.contextOf(point);
    return {
      format: 'sm-edge-case/1',
      id: `${id}:${point}`,
      ...{ point, machineClass, quantity, ...named },
      windows: rows.length,
      features: medianRow(rows),
      ...(diagnosis === undefined ? {} : { diagnosis }),
      examples: Array.from({ length: Math.min(EXAMPLES, rows.length) }, (_, i) => ({
        ...rows[Math.floor((i * rows.length) / Math.min(EXAMPLES, rows.length))]!.features,
      })),
    };
  }

  /** The point itself where it has features; else the learned points of its machine: what did a hot bearing sound like? */
  async #pointsWithFeatures(point: string): Promise<string[]> {
    const { machine } = pointParts(point);
    const newest = await this.#deps.store.features(
      point,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      1,
    );
    if (newest.some(({ features }) => features.rms !== undefined)) return [point];
    return this.healthyPoints().filter((of) => pointParts(of).machine === machine);
  }

  async #eventsOf(point: string): Promise<GatewayEvent[]> {
    const found = await this.#deps.store.journal.find({
      types: [...new Set([...ALARM_EVENT_TYPES, ...TROUBLE_EVENTS])],
      point,
      newest: true,
      limit: MAX_EVENTS,
    });
    return found.map(({ event }) => event);
  }

  async #forgetOldest(): Promise<void> {
    if (this.#cases.size <= MAX_CASES) return;
    const byLabel = new Map<string, FaultRecord[]>();
    for (const one of this.list()) byLabel.set(one.label, [...(byLabel.get(one.label) ?? []), one]);
    const most = [...byLabel.values()].reduce((a, b) => (b.length > a.length ? b : a));
    const oldest = most.at(-1)!;
    this.#deps.logger.info({ case: oldest.id }, 'the oldest case is forgotten: there are too many');
    await this.forget(oldest.id).catch((thrown) => {
      this.#deps.logger.warn({ error: toErrorRecord(thrown) }, 'a case could not be forgotten');
    });
  }
}

const idOf = (fromMs: number, alarm: string): string => `${Math.round(fromMs)}:${alarm}`;

function medianRow(rows: readonly FeatureRow[]): Record<string, number> {
  const names = Object.keys(rows[0]!.features).filter((name) =>
    rows.every(({ features }) => Number.isFinite(features[name])),
  );
  return Object.fromEntries(
    names.map((name) => [name, medianOf(rows.map(({ features }) => features[name]!))]),
  );
}
