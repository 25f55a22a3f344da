import type { AlarmEngine, AlarmRecord, AlarmTransition } from '../../alarms/engine.js';
import { eventTypeOf } from '../../alarms/event-type.js';
import type { AlarmThread } from '../../alarms/record.js';
import type { Validation } from '../../alarms/validation.js';
import type { HeldBack } from '../../alarms/validator.js';
import type { Clock } from '../../base/clock.js';
import type { NewId } from '../../base/ids.js';
import type { Random } from '../../base/random.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { EventBus, EventDraft } from '../../events/bus.js';
import type { EventType } from '../../events/event.js';
import type { Reason } from '../../scoring/explain.js';
import { besideScore, type Score } from '../../scoring/score.js';
import type { SourceStatus } from '../../sources/part.js';
import type { Store, WriteBatch } from '../../storage/store.js';
import { knownPayload, knownSentence } from '../cases/known-text.js';
import type { KnownFault } from '../cases/nearest.js';
import { Publisher } from './publisher.js';

export interface AnnouncerDeps {
  readonly bus: EventBus;
  readonly store: Pick<Store, 'write'>;
  readonly alarms: Pick<AlarmEngine, 'stateOf' | 'follow'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: NewId;
}

export interface AnomalyFacts {
  readonly point: string;
  readonly timeMs: number;
  readonly score: Score;
  readonly reasons: readonly Reason[];
  readonly diagnosis: Diagnosis | undefined;
  readonly validation: Validation;
  /** What labelled cases say of it. */
  readonly known?: KnownFault | undefined;
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Turns what happened into events, each journaled in one commit with the state that it changed. */
export class Announcer {
  readonly #publisher: Publisher;
  readonly #alarms: Pick<AlarmEngine, 'stateOf' | 'follow'>;
  readonly #newId: NewId;
  #raised = 0;

  constructor({ alarms, newId, ...deps }: AnnouncerDeps) {
    this.#publisher = new Publisher(deps);
    this.#alarms = alarms;
    this.#newId = newId;
  }

  /** Gives up what the store still refuses. */
  stop(): void {
    this.#publisher.stop();
  }

  /**
   * @param correlationId of the input that led to it
   * @param anomaly the event that said that an anomaly is believed: an alarm that is raised by it belongs to it
   */
  async transitions(
    transitions: readonly AlarmTransition[],
    correlationId: string,
    anomaly?: AlarmThread,
  ): Promise<void> {
    if (transitions.length === 0) return;
    this.#raised += transitions.filter(({ to }) => to === 'unacknowledged').length;
    const drafts = transitions.map((transition): EventDraft => {
      const { timeMs, untilMs, ...facts } = transition;
      return {
        type: eventTypeOf(facts),
        ...this.#idsOf(transition, correlationId, anomaly),
        payload: {
          ...facts,
          ...(untilMs === undefined ? {} : { until: isoTime(untilMs) }),
          time: isoTime(timeMs),
        },
      };
    });
    const alarmStates = transitions.map(({ alarm, point }) => ({
      alarm,
      point,
      document: this.#alarms.stateOf(alarm, point),
    }));
    await this.#publisher.publish(drafts, { alarmStates });
  }

  /** An alarm that comes begins a thread, that of its anomaly where it has one; what becomes of it goes on with it. */
  #idsOf(
    { alarm, point, from, to, cause }: AlarmTransition,
    correlationId: string,
    anomaly: AlarmThread | undefined,
  ): Pick<EventDraft, 'id' | 'correlationId' | 'causationId'> {
    const thread = this.#alarms.stateOf(alarm, point)?.thread;
    const comes = cause === 'condition' && to === 'unacknowledged';
    if (thread !== undefined && from !== 'normal' && !comes)
      return { correlationId: thread.correlationId, causationId: thread.eventId };
    const id = this.#newId();
    const led = comes ? anomaly : undefined;
    const begun = { eventId: id, correlationId: led?.correlationId ?? correlationId };
    this.#alarms.follow(alarm, point, begun);
    return {
      id,
      correlationId: begun.correlationId,
      ...(led === undefined ? {} : { causationId: led.eventId }),
    };
  }

  /** States that changed without anything to tell. */
  async states(alarmStates: readonly AlarmRecord[]): Promise<void> {
    if (alarmStates.length === 0) return;
    await this.#publisher.publish([], {
      alarmStates: alarmStates.map((document) => ({
        alarm: document.alarm,
        point: document.point,
        document,
      })),
    });
  }

  /**
   * An anomaly was confirmed: that it was seen, and why it is believed, in one commit.
   * @returns the id of the event that an alarm names as its cause, before it is on disk
   */
  anomaly(
    facts: AnomalyFacts,
    correlationId: string,
  ): { readonly eventId: string; readonly published: Promise<void> } {
    const { point, timeMs, score, reasons, diagnosis, validation, known } = facts;
    const time = isoTime(timeMs);
    const detected: EventDraft = {
      id: this.#newId(),
      type: 'AnomalyDetected',
      correlationId,
      payload: {
        point,
        time,
        model: score.model,
        version: score.version,
        score: score.score,
        threshold: score.threshold,
        ...(score.state === undefined ? {} : { state: score.state }),
        ...(score.fallback === undefined ? {} : { fallback: score.fallback }),
        ...besideScore(score),
        reasons,
        ...(diagnosis === undefined ? {} : { diagnosis }),
        ...knownPayload(known),
        message: anomalyMessage(facts),
      },
    };
    const eventId = this.#newId();
    const { confidence, reasons: because } = validation;
    const validated: EventDraft = {
      id: eventId,
      type: 'AnomalyValidated',
      correlationId,
      causationId: detected.id!,
      payload: {
        point,
        time,
        outcome: 'confirmed',
        confidence,
        reasons: because,
        message: validationMessage(`the anomaly of ${point} is believed`, validation),
      },
    };
    const published = this.#publisher.publish([detected, validated]).then(() => undefined);
    return { eventId, published };
  }

  /** Anomalies of a point went without having been believed; `held` is the newest of `count`. */
  async heldBack(held: HeldBack, count: number): Promise<void> {
    const { point, fromMs, toMs, blocks, score, threshold, confidence, reasons } = held;
    const many = count === 1 ? 'an anomaly' : `${count} anomalies`;
    await this.fact(
      'AnomalyValidated',
      {
        point,
        time: isoTime(toMs),
        from: isoTime(fromMs),
        outcome: 'held-back',
        count,
        blocks,
        score,
        threshold,
        confidence,
        reasons,
        message: validationMessage(`${many} of ${point} went by without an alarm`, held),
      },
      this.#newId(),
    );
  }

  async source(id: string, type: string, status: SourceStatus, correlationId: string): Promise<void> {
    const event = status.state === 'good' ? 'SourceRestored' : 'SourceDegraded';
    const message =
      status.reason === '' ? `source ${id} is ${status.state}` : `source ${id}: ${status.reason}`;
    await this.fact(event, { source: id, sourceType: type, state: status.state, message }, correlationId);
  }

  /** Any other fact, with the documents that it changed. @param id of the event, where it has to be known before */
  async fact(
    type: EventType,
    payload: Readonly<Record<string, unknown>>,
    correlationId: string,
    documents: WriteBatch['documents'] = [],
    causationId?: string,
    id?: string,
  ): Promise<void> {
    const cause = causationId === undefined ? {} : { causationId };
    const known = id === undefined ? {} : { id };
    await this.#publisher.publish([{ ...known, type, correlationId, ...cause, payload }], { documents });
  }

  /** Alarms raised since the last call. */
  takeRaised(): number {
    const raised = this.#raised;
    this.#raised = 0;
    return raised;
  }
}

function anomalyMessage({ point, score, reasons, diagnosis, known }: AnomalyFacts): string {
  const driven = reasons.slice(0, 3).map(({ feature }) => feature);
  const because = driven.length === 0 ? '' : `, driven by ${driven.join(', ')}`;
  const verdict = diagnosis === undefined || diagnosis.fault === 'normal' ? '' : ` ${diagnosis.sentence}`;
  const where = score.state === undefined ? '' : ` in the state ${score.state}`;
  return `${point} behaves unusually${where} (score ${score.score.toFixed(2)}, limit ${score.threshold.toFixed(2)}${because}).${labelSentence(score)}${verdict}${knownSentence(known)}`;
}

/** What a classification takes it for. */
function labelSentence({ label, probabilities }: Score): string {
  if (label === undefined) return '';
  return ` The model takes it for ${label} (${Math.round(100 * (probabilities?.[label] ?? 0))} %).`;
}

const validationMessage = (
  what: string,
  { confidence, reasons }: Pick<Validation, 'confidence' | 'reasons'>,
) => `${what} (${Math.round(100 * confidence)} %): ${reasons.map(({ text }) => text).join('; ')}.`;
