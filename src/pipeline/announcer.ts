import type { AlarmEngine, AlarmTransition } from '../alarms/engine.js';
import { eventTypeOf } from '../alarms/event-type.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import type { Diagnosis } from '../diagnosis/diagnose.js';
import type { EventBus, EventDraft } from '../events/bus.js';
import type { EventType, GatewayEvent } from '../events/event.js';
import type { Reason } from '../scoring/explain.js';
import type { Score } from '../scoring/score.js';
import type { SourceStatus } from '../sources/part.js';
import type { Store, WriteBatch } from '../storage/store.js';
import { Publisher } from './publisher.js';

export interface AnnouncerDeps {
  readonly bus: EventBus;
  readonly store: Pick<Store, 'write'>;
  readonly alarms: Pick<AlarmEngine, 'stateOf'>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface AnomalyFacts {
  readonly point: string;
  readonly timeMs: number;
  readonly score: Score;
  readonly reasons: readonly Reason[];
  readonly diagnosis: Diagnosis | undefined;
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Turns what happened into events, each journaled in one commit with the state that it changed. */
export class Announcer {
  readonly #publisher: Publisher;
  readonly #alarms: Pick<AlarmEngine, 'stateOf'>;
  #raised = 0;

  constructor({ alarms, ...deps }: AnnouncerDeps) {
    this.#publisher = new Publisher(deps);
    this.#alarms = alarms;
  }

  /** Gives up what the store still refuses. */
  stop(): void {
    this.#publisher.stop();
  }

  async transitions(
    transitions: readonly AlarmTransition[],
    correlationId: string,
    causationId?: string,
  ): Promise<void> {
    if (transitions.length === 0) return;
    this.#raised += transitions.filter(({ to }) => to === 'unacknowledged').length;
    const alarmStates = transitions.map(({ alarm, point }) => ({
      alarm,
      point,
      document: this.#alarms.stateOf(alarm, point),
    }));
    const drafts = transitions.map(
      ({ timeMs, untilMs, ...facts }): EventDraft => ({
        type: eventTypeOf(facts),
        correlationId,
        ...(causationId === undefined ? {} : { causationId }),
        payload: {
          ...facts,
          ...(untilMs === undefined ? {} : { until: isoTime(untilMs) }),
          time: isoTime(timeMs),
        },
      }),
    );
    await this.#publisher.publish(drafts, { alarmStates });
  }

  /** A point became anomalous. Gives the event, so that the alarm can name its cause. */
  async anomaly(facts: AnomalyFacts, correlationId: string): Promise<GatewayEvent | undefined> {
    const { point, timeMs, score, reasons, diagnosis } = facts;
    const payload = {
      point,
      time: isoTime(timeMs),
      model: score.model,
      version: score.version,
      score: score.score,
      threshold: score.threshold,
      ...(score.fallback === undefined ? {} : { fallback: score.fallback }),
      reasons,
      ...(diagnosis === undefined ? {} : { diagnosis }),
      message: anomalyMessage(facts),
    };
    const [event] = await this.#publisher.publish([{ type: 'AnomalyDetected', correlationId, payload }]);
    return event;
  }

  async source(id: string, type: string, status: SourceStatus, correlationId: string): Promise<void> {
    const event = status.state === 'good' ? 'SourceRestored' : 'SourceDegraded';
    const message =
      status.reason === '' ? `source ${id} is ${status.state}` : `source ${id}: ${status.reason}`;
    await this.fact(event, { source: id, sourceType: type, state: status.state, message }, correlationId);
  }

  /** Any other fact, with the documents that it changed. */
  async fact(
    type: EventType,
    payload: Readonly<Record<string, unknown>>,
    correlationId: string,
    documents: WriteBatch['documents'] = [],
  ): Promise<void> {
    await this.#publisher.publish([{ type, correlationId, payload }], { documents });
  }

  /** Alarms raised since the last call. */
  takeRaised(): number {
    const raised = this.#raised;
    this.#raised = 0;
    return raised;
  }
}

function anomalyMessage({ point, score, reasons, diagnosis }: AnomalyFacts): string {
  const driven = reasons.slice(0, 3).map(({ feature }) => feature);
  const because = driven.length === 0 ? '' : `, driven by ${driven.join(', ')}`;
  const verdict = diagnosis === undefined || diagnosis.fault === 'normal' ? '' : ` ${diagnosis.sentence}`;
  return `${point} behaves unusually (score ${score.score.toFixed(2)}, limit ${score.threshold.toFixed(2)}${because}).${verdict}`;
}
