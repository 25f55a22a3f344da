import type { Actor, AlarmConfig, AlarmEngine, AlarmRecord } from '../../alarms/engine.js';
import { ALARM_EVENT_TYPES } from '../../alarms/event-type.js';
import { matches } from '../../alarms/pattern.js';
import {
  type AlarmFact,
  type AlarmStatistics,
  alarmStatistics,
  type MissedFault,
} from '../../alarms/statistics.js';
import type { AlarmInput } from '../../alarms/transition.js';
import type { HeldBack } from '../../alarms/validator.js';
import type { Clock, Timer } from '../../base/clock.js';
import { SmEdgeError, toErrorRecord } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { Logger } from '../../base/logger.js';
import type { EventType, GatewayEvent } from '../../events/event.js';
import type { EventJournal } from '../../events/journal.js';
import { pointParts } from '../../signals/point.js';
import type { Announcer } from '../announcements/announcer.js';
import type { Anomalies } from '../assessment/anomalies.js';
import { isMissed, periodsOf } from '../cases/period.js';

export interface AlarmDeskDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly newId: NewId;
  readonly alarms: AlarmEngine;
  readonly anomalies: Pick<Anomalies, 'held' | 'label'>;
  readonly announcer: Announcer;
  readonly journal: EventJournal;
}

export interface AlarmFilter {
  /** Also those that are normal. */
  readonly all?: boolean;
  /** `*` stands for any run of characters. */
  readonly point?: string;
  readonly machine?: string;
  readonly state?: string;
  readonly severity?: string;
}

/** One alarm with all that is known of it. */
export interface AlarmDetails {
  readonly record: AlarmRecord;
  readonly definition: AlarmConfig;
  /** Its events, oldest first. */
  readonly history: readonly GatewayEvent[];
}

/** What a person says an alarm was. */
export interface AlarmLabel {
  /** True: there was something. False: there was nothing. */
  readonly correct: boolean;
  /** What it was. */
  readonly cause?: string;
}

/** What a person does to an alarm; times are added here. */
export type AlarmAction =
  | { readonly kind: 'acknowledge' | 'reset' | 'unshelve' | 'remove-from-service' | 'return-to-service' }
  | { readonly kind: 'suppress' | 'unsuppress' }
  | { readonly kind: 'shelve'; readonly forMs: number };

const TICK_MS = 1_000;
const HOUR_MS = 3_600_000;
const HISTORY = 200;
/** Longest time that an alarm may be shelved: it must not be forgotten there. */
export const MAX_SHELVE_MS = 30 * 86_400_000;
/** Held-back anomalies that are known at most. */
const MAX_HELD_BACK = 20_500;
/** Events of one statistic: a year of a hundred alarms a day. */
const PAGE = 10_000;
const MAX_FACTS = 100_000;

/** Where people see alarms and act on them. Each action is journaled with who did it and when, and answers after that. */
export class AlarmDesk {
  readonly #deps: AlarmDeskDeps;
  #timer: Timer | undefined;

  constructor(deps: AlarmDeskDeps) {
    this.#deps = deps;
  }

  /** Shelves end and silence of points is noticed from now on. */
  start(): void {
    const { clock, alarms, announcer, newId, logger } = this.#deps;
    this.#timer = clock.setTimer('alarms', TICK_MS, () => {
      const told = announcer.transitions(alarms.tick(clock.nowMs()), newId());
      Promise.all([told, announcer.states(alarms.takeUnsaved())]).catch((thrown) => {
        logger.error({ error: toErrorRecord(thrown) }, 'a change of an alarm could not be published');
      });
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** The most urgent first; of one urgency the newest. */
  list(filter: AlarmFilter = {}): AlarmRecord[] {
    const { all = false, point, machine, state, severity } = filter;
    return this.#deps.alarms
      .all()
      .filter(
        (record) =>
          (all || record.state !== 'normal') &&
          (point === undefined || matches(point, record.point)) &&
          (machine === undefined || pointParts(record.point).machine === machine) &&
          (state === undefined || record.state === state) &&
          (severity === undefined || record.severity === severity),
      )
      .sort((a, b) => URGENCY.indexOf(b.severity) - URGENCY.indexOf(a.severity) || b.sinceMs - a.sinceMs);
  }

  /** @throws SmEdgeError `ALARM_UNKNOWN` */
  async details(alarm: string, point: string): Promise<AlarmDetails> {
    const record = this.#recordOf(alarm, point);
    const definition = this.#deps.alarms.definitionOf(alarm, point)!;
    const found = await this.#deps.journal.find({
      types: ALARM_EVENT_TYPES,
      point,
      alarm,
      newest: true,
      limit: HISTORY,
    });
    return { record, definition, history: found.map(({ event }) => event) };
  }

  /**
   * @returns the record after it, on disk by then
   * @throws SmEdgeError `ALARM_UNKNOWN`; `ALARM_STATE` where it changes nothing in the alarm's present state
   */
  async act(alarm: string, point: string, action: AlarmAction, actor: Actor): Promise<AlarmRecord> {
    const { alarms, announcer, clock, newId } = this.#deps;
    const before = this.#recordOf(alarm, point);
    const transitions = alarms.operate(alarm, point, inputOf(action, clock.nowMs()), actor);
    if (transitions.length === 0) {
      throw new SmEdgeError(
        'ALARM_STATE',
        `${alarm} at ${point} is ${before.state}: nothing to ${action.kind}`,
        {
          hint: 'docs/alarms.md shows what can be done in which state',
        },
      );
    }
    await announcer.transitions(transitions, newId());
    return this.#recordOf(alarm, point);
  }

  /** @throws SmEdgeError `ALARM_UNKNOWN` */
  async comment(alarm: string, point: string, actor: Actor & { readonly note: string }): Promise<void> {
    const record = this.#recordOf(alarm, point);
    await this.#say('AlarmCommented', record, { ...actor, message: `${actor.by}: ${actor.note}` });
  }

  /** Says whether the alarm, as it came last, was right. @throws SmEdgeError `ALARM_UNKNOWN`, `ALARM_STATE` */
  async label(alarm: string, point: string, label: AlarmLabel, actor: Actor): Promise<void> {
    const record = this.#recordOf(alarm, point);
    if (record.raisedMs === 0) {
      throw new SmEdgeError('ALARM_STATE', `${alarm} at ${point} never came: there is nothing to label`, {
        hint: '"sm-edge alarms list" shows the alarms that came',
      });
    }
    const verdict = label.correct ? 'a true alarm' : 'a false alarm';
    const cause = label.cause === undefined ? '' : `: ${label.cause}`;
    await this.#say('AlarmLabelled', record, {
      ...actor,
      ...label,
      raised: new Date(record.raisedMs).toISOString(),
      message: `${actor.by} calls it ${verdict}${cause}`,
    });
    const definition = this.#deps.alarms.definitionOf(alarm, point);
    if (definition?.anomaly !== undefined || definition?.diagnosis !== undefined)
      this.#deps.anomalies.label(point, label.correct);
  }

  /** Anomalies that did not become alarms, the newest first. */
  heldBack(limit: number, point?: string): HeldBack[] {
    const held = this.#deps.anomalies.held(MAX_HELD_BACK);
    return held.filter((one) => point === undefined || matches(point, one.point)).slice(0, limit);
  }

  /** The period begins with the journal at the earliest, before which nobody counted; but an hour ago at the latest. */
  async statistics(fromMs: number, toMs: number): Promise<AlarmStatistics> {
    const [oldest] = await this.#deps.journal.find({ limit: 1 });
    const countedMs = oldest === undefined ? 0 : Math.min(Date.parse(oldest.event.time), toMs - HOUR_MS);
    const sinceMs = Math.max(fromMs, countedMs);
    const facts: AlarmFact[] = [];
    let afterSeq = 0;
    while (facts.length < MAX_FACTS) {
      const page = await this.#deps.journal.find({
        types: ALARM_EVENT_TYPES,
        fromMs: sinceMs,
        toMs,
        afterSeq,
        limit: PAGE,
      });
      facts.push(...page.map(({ event }) => factOf(event)));
      if (page.length < PAGE) break;
      afterSeq = page.at(-1)!.seq;
    }
    const missed = (await this.#missed()).filter((of) => of.fromMs < toMs && of.toMs >= fromMs);
    // A person may tell of a fault from before the journal.
    return { ...alarmStatistics(facts, this.#deps.alarms.all(), sinceMs, toMs), missed };
  }

  /** Faults that people reported, beside which no alarm stood. */
  async #missed(): Promise<MissedFault[]> {
    const said = await this.#deps.journal.find({ types: ['PeriodLabelled'], newest: true, limit: PAGE });
    return periodsOf(said.map(({ event }) => event))
      .filter(isMissed)
      .map(({ point, fromMs, toMs, cause = '', by }) => ({ point, fromMs, toMs, cause, by }));
  }

  #recordOf(alarm: string, point: string): AlarmRecord {
    const record = this.#deps.alarms.stateOf(alarm, point);
    if (record !== undefined) return record;
    throw new SmEdgeError('ALARM_UNKNOWN', `there is no alarm ${alarm} at ${point}`, {
      hint: '"sm-edge alarms list --all" shows every alarm at every point that sent something',
    });
  }

  async #say(
    type: EventType,
    record: AlarmRecord,
    payload: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { announcer, clock, newId } = this.#deps;
    const { alarm, point, thread } = record;
    const time = new Date(clock.nowMs()).toISOString();
    const facts = { alarm, point, ...payload, time };
    await announcer.fact(type, facts, thread?.correlationId ?? newId(), [], thread?.eventId);
  }
}

const URGENCY = ['low', 'medium', 'high', 'critical'];

function inputOf(action: AlarmAction, timeMs: number): AlarmInput {
  switch (action.kind) {
    case 'shelve':
      return { kind: 'shelve', timeMs, untilMs: timeMs + Math.min(action.forMs, MAX_SHELVE_MS) };
    case 'suppress':
    case 'unsuppress':
      return { kind: action.kind, suppressor: 'request', timeMs };
    default:
      return { kind: action.kind, timeMs };
  }
}

const FACT_TYPES: Readonly<Partial<Record<EventType, AlarmFact['type']>>> = {
  AlarmRaised: 'raised',
  AlarmAcknowledged: 'acknowledged',
  AlarmReturnedToNormal: 'returned',
};

function factOf({ type, time, payload }: GatewayEvent): AlarmFact {
  const { alarm, point, severity } = payload as Pick<AlarmFact, 'alarm' | 'point' | 'severity'>;
  // When it was journaled: the times of devices do not always agree.
  return { type: FACT_TYPES[type] ?? 'other', alarm, point, severity, timeMs: Date.parse(time) };
}
