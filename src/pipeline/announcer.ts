import type { AlarmEngine, AlarmTransition } from '../alarms/engine.js';
import type { Clock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { type RetryContext, type RetrySchedule, retry } from '../base/retry.js';
import type { Diagnosis } from '../diagnosis/diagnose.js';
import type { EventBus, EventDraft } from '../events/bus.js';
import type { EventType, GatewayEvent } from '../events/event.js';
import type { Reason } from '../scoring/explain.js';
import type { Score } from '../scoring/score.js';
import type { SourceStatus } from '../sources/part.js';
import type { Store, WriteBatch } from '../storage/store.js';

export interface AnnouncerDeps {
  readonly bus: EventBus;
  readonly store: Pick<Store, 'write'>;
  readonly alarms: Pick<AlarmEngine, 'stateOf'>;
  readonly clock: Clock;
  readonly random: Random;
}

const RETRY: RetrySchedule = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.3, limit: Infinity };
/** Events that wait for a disk that is full; more than this is no rare fact any more. */
const MAX_WAITING = 1_000;

export interface AnomalyFacts {
  readonly point: string;
  readonly timeMs: number;
  readonly score: Score;
  readonly reasons: readonly Reason[];
  readonly diagnosis: Diagnosis | undefined;
}

/** What an alarm's new state is called as an event. */
const ALARM_EVENTS: Readonly<Record<AlarmTransition['to'], EventType>> = {
  unacknowledged: 'AlarmRaised',
  acknowledged: 'AlarmAcknowledged',
  'returned-unacknowledged': 'AlarmReturnedToNormal',
  normal: 'AlarmReturnedToNormal',
  shelved: 'AlarmShelved',
  suppressed: 'AlarmShelved',
  'out-of-service': 'AlarmShelved',
};

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Turns what happened into events, each journaled in one commit with the state that it changed. */
export class Announcer {
  readonly #bus: EventBus;
  readonly #store: Pick<Store, 'write'>;
  readonly #alarms: Pick<AlarmEngine, 'stateOf'>;
  readonly #retry: Omit<RetryContext, 'signal'>;
  readonly #abort = new AbortController();
  #raised = 0;
  #waiting = 0;

  constructor({ bus, store, alarms, clock, random }: AnnouncerDeps) {
    this.#bus = bus;
    this.#store = store;
    this.#alarms = alarms;
    this.#retry = { clock, random, schedule: RETRY, name: 'publish events' };
  }

  /** Gives up what the store still refuses. */
  stop(): void {
    this.#abort.abort();
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
      ({ timeMs, ...facts }): EventDraft => ({
        type: ALARM_EVENTS[facts.to],
        correlationId,
        ...(causationId === undefined ? {} : { causationId }),
        payload: { ...facts, time: isoTime(timeMs) },
      }),
    );
    await this.#publish(drafts, { alarmStates });
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
    const [event] = await this.#publish([{ type: 'AnomalyDetected', correlationId, payload }]);
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
    await this.#publish([{ type, correlationId, payload }], { documents });
  }

  /** Alarms raised since the last call. */
  takeRaised(): number {
    const raised = this.#raised;
    this.#raised = 0;
    return raised;
  }

  /** An event that the store does not take (a full disk) is tried again until it does, or the gateway stops. */
  async #publish(
    drafts: readonly EventDraft[],
    state: Pick<WriteBatch, 'alarmStates' | 'documents'> = {},
  ): Promise<readonly GatewayEvent[]> {
    if (this.#waiting >= MAX_WAITING) {
      throw new SmEdgeError('EVENTS_FULL', `${MAX_WAITING} events already wait for the disk`, {
        hint: 'free space on the disk of storage.path',
      });
    }
    this.#waiting++;
    try {
      return await retry({ ...this.#retry, signal: this.#abort.signal }, () =>
        this.#bus.publish(drafts, (events) => this.#store.write({ ...state, events })),
      );
    } finally {
      this.#waiting--;
    }
  }
}

function anomalyMessage({ point, score, reasons, diagnosis }: AnomalyFacts): string {
  const driven = reasons.slice(0, 3).map(({ feature }) => feature);
  const because = driven.length === 0 ? '' : `, driven by ${driven.join(', ')}`;
  const verdict = diagnosis === undefined || diagnosis.fault === 'normal' ? '' : ` ${diagnosis.sentence}`;
  return `${point} behaves unusually (score ${score.score.toFixed(2)}, limit ${score.threshold.toFixed(2)}${because}).${verdict}`;
}
