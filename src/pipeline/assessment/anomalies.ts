import { z } from 'zod';
import type { AlarmEngine } from '../../alarms/engine.js';
import type { AlarmThread } from '../../alarms/record.js';
import { RULES } from '../../alarms/validation.js';
import { AnomalyValidator, type HeldBack, type Verdict } from '../../alarms/validator.js';
import { toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { EventJournal } from '../../events/journal.js';
import type { Quality } from '../../signals/quality.js';
import type { Store } from '../../storage/store.js';
import type { Announcer, AnomalyFacts } from '../announcements/announcer.js';
import { exceedance } from '../machines/health-index.js';
import type { Assessment } from './assessor.js';

export interface AnomaliesDeps {
  readonly metrics: Metrics;
  readonly alarms: Pick<AlarmEngine, 'inMaintenance'>;
  readonly announcer: Pick<Announcer, 'anomaly' | 'heldBack'>;
  readonly logger: Logger;
  /** Told what a person called the newest alarm of a point. */
  readonly onLabel?: (point: string, right: boolean) => void;
}

const PREFIX = 'validation:';
/** A point that is often anomalous for nothing is told of this often in the journal, milliseconds of data time. */
const TELL_EVERY_MS = 3_600_000;
/** Held-back anomalies that are shown. */
const SHOWN = 500;

interface Told {
  readonly ms: number;
  count: number;
}

/** The anomalies of all points: which are believed, which event told of them, what was held back. */
export class Anomalies {
  readonly #deps: AnomaliesDeps;
  readonly #validator: AnomalyValidator;
  /** The event that said that an anomaly is believed, by point. */
  readonly #causes = new Map<string, AlarmThread>();
  /** When a held-back anomaly of a point was last journaled, and how many came since. */
  readonly #told = new Map<string, Told>();

  constructor(deps: AnomaliesDeps) {
    this.#deps = deps;
    const { metrics, alarms } = deps;
    this.#validator = new AnomalyValidator({
      metrics,
      inMaintenance: (machine) => alarms.inMaintenance(machine),
      onHeldBack: (held) => this.#tell(held),
    });
  }

  /** A value or block arrived, whatever it is. */
  quality(point: string, quality: Quality): void {
    this.#validator.quality(point, quality);
  }

  /** Undefined where the block is not anomalous. */
  judge(point: string, timeMs: number, assessment: Assessment): Verdict | undefined {
    const verdict = judgeAssessment(this.#validator, point, timeMs, assessment);
    // A new anomaly that is not believed yet: the one before it led to nothing any more.
    if (verdict?.confirmed === false) this.#causes.delete(point);
    return verdict;
  }

  /**
   * Announces an anomaly that was just confirmed.
   * @returns the id of the event
   */
  confirm(facts: AnomalyFacts, correlationId: string): string {
    const { eventId, published } = this.#deps.announcer.anomaly(facts, correlationId);
    this.#follow(published);
    this.#causes.set(facts.point, { eventId, correlationId });
    return eventId;
  }

  /** The event that an alarm of the point names as its cause. */
  causeOf(point: string): AlarmThread | undefined {
    return this.#causes.get(point);
  }

  /** What a person called the newest alarm of the point. */
  label(point: string, right: boolean): void {
    this.#validator.label(point, right);
    this.#deps.onLabel?.(point, right);
  }

  /** What was held back, the newest first. */
  held(limit: number): HeldBack[] {
    return this.#validator.held(limit);
  }

  /** What was learned since the last call: to be stored. */
  takeChanged(): { readonly key: string; readonly document: unknown }[] {
    return this.#validator.takeChanged().map(([point, document]) => ({ key: `${PREFIX}${point}`, document }));
  }

  /** What was learned of the points before a restart, and what was held back as far as the journal tells it. */
  async restore(store: Pick<Store, 'documents'>, journal: Pick<EventJournal, 'find'>): Promise<void> {
    for (const [key, document] of await store.documents(PREFIX))
      this.#validator.restorePoint(key.slice(PREFIX.length), document);
    const told = await journal.find({ types: ['AnomalyValidated'], newest: true, limit: SHOWN });
    this.#validator.restoreHeld(told.flatMap(({ event }) => heldPayload.safeParse(event.payload).data ?? []));
  }

  #tell(held: HeldBack): void {
    const told = this.#told.get(held.point);
    if (told !== undefined && Math.abs(held.toMs - told.ms) < TELL_EVERY_MS) {
      told.count++;
      return;
    }
    this.#told.set(held.point, { ms: held.toMs, count: 0 });
    this.#follow(this.#deps.announcer.heldBack(held, (told?.count ?? 0) + 1));
  }

  #follow(published: Promise<void>): void {
    published.catch((thrown) => {
      this.#deps.logger.error({ error: toErrorRecord(thrown) }, 'a validation could not be published');
    });
  }
}

/** The verdict on the worst score of a block, with what the other models say of it. */
export function judgeAssessment(
  validator: AnomalyValidator,
  point: string,
  timeMs: number,
  { scores, worst }: Assessment,
): Verdict | undefined {
  if (worst === undefined) return undefined;
  return validator.judge({
    point,
    timeMs,
    score: worst.score,
    threshold: worst.threshold,
    exceedance: exceedance(worst),
    anomalous: worst.anomalous,
    models: { scored: scores.length, anomalous: scores.filter(({ anomalous }) => anomalous).length },
  });
}

/** A held-back anomaly as it was journaled. */
const heldPayload = z
  .object({
    outcome: z.literal('held-back'),
    point: z.string(),
    from: z.string(),
    time: z.string(),
    blocks: z.number(),
    score: z.number(),
    threshold: z.number(),
    confidence: z.number(),
    reasons: z.array(z.object({ rule: z.enum(RULES), weight: z.number(), text: z.string() })),
  })
  .transform(
    ({ outcome: _outcome, from, time, ...rest }): HeldBack => ({
      ...rest,
      fromMs: Date.parse(from),
      toMs: Date.parse(time),
    }),
  );
