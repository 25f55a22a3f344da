import type { Actor } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import { formatDuration } from '../../base/duration.js';
import { SmEdgeError } from '../../base/errors.js';
import type { NewId } from '../../base/ids.js';
import type { GatewayEvent } from '../../events/event.js';
import { pointParts } from '../../signals/point.js';
import type { Store } from '../../storage/store.js';
import type { Announcer } from '../announcements/announcer.js';
import { TROUBLE_EVENTS, troublesOf } from '../commissioning/troubles.js';
import type { PointBoard } from '../machines/point-board.js';
import { isMissed, type LabelledPeriod, type PeriodPayload, periodsOf } from './period.js';

export interface PeriodDeskDeps {
  readonly clock: Clock;
  readonly newId: NewId;
  readonly store: Pick<Store, 'features' | 'journal'>;
  readonly announcer: Pick<Announcer, 'fact'>;
  readonly board: Pick<PointBoard, 'point' | 'points'>;
}

/** A person says what a stretch of time was. */
export interface PeriodRequest {
  readonly point: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** What was wrong; missing where it was healthy. */
  readonly cause?: string;
}

/** What came of it. */
export interface PeriodAnswer {
  readonly period: LabelledPeriod;
  /** Windows of the point in that time, at most 500: what a case is made of, or what counts as healthy. */
  readonly windows: number;
  /** There was a fault, and no alarm. */
  readonly missed: boolean;
}

/** Longest stretch of one label: what took longer is told month by month. */
export const LONGEST_PERIOD_MS = 31 * 86_400_000;
/** Clocks of people and gateways differ by less. */
const AHEAD_MS = 60_000;
const MOST_WINDOWS = 500;
const PAGE = 10_000;
const MOST_EVENTS = 100_000;
/** An alarm may have stood for so long before. */
const STOOD_MS = 31 * 86_400_000;

/** Where people tell of faults that no alarm told them of, and that a machine was healthy. Each is journaled with who said it. */
export class PeriodDesk {
  readonly #deps: PeriodDeskDeps;

  constructor(deps: PeriodDeskDeps) {
    this.#deps = deps;
  }

  /** Labels that hold, the newest stretch first. @param point all where missing */
  async list(point?: string): Promise<LabelledPeriod[]> {
    const events = await this.#events({
      types: ['PeriodLabelled'],
      ...(point === undefined ? {} : { point }),
    });
    return periodsOf(events).sort((a, b) => b.fromMs - a.fromMs);
  }

  /**
   * Journals what a person says of a stretch of time, which is on disk when this resolves. Said again of the same stretch it
   * takes the place of what was said before.
   * @throws SmEdgeError `PERIOD_INVALID`, `POINT_UNKNOWN`
   */
  async label(request: PeriodRequest, actor: Actor): Promise<PeriodAnswer> {
    const { point, fromMs, toMs, cause } = request;
    this.#requireSpan(fromMs, toMs);
    await this.#requireKnown(point);
    const before = (await this.list(point)).filter((of) => of.fromMs === fromMs && of.toMs === toMs);
    const alarms = await this.#stoodAt(point, fromMs, toMs);
    const isFault = cause !== undefined;
    const missed = isMissed({ isFault, alarms });
    const what = isFault ? cause : 'healthy';
    const told = missed ? '; no alarm told of it' : '';
    const id = await this.#say({
      ...{ point, verdict: isFault ? 'fault' : 'healthy', ...actor },
      ...{ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() },
      ...(isFault ? { cause } : {}),
      ...{ alarms: [...alarms], replaces: before.map((of) => of.id) },
      message: `${actor.by} says that ${point} was: ${what}, for ${formatDuration(toMs - fromMs)}${told}`,
    });
    const windows = await this.#deps.store.features(point, fromMs, toMs, MOST_WINDOWS);
    const period = (await this.list(point)).find((of) => of.id === id)!;
    return { period, windows: windows.length, missed };
  }

  /** Takes a label back. @throws SmEdgeError `PERIOD_UNKNOWN` */
  async withdraw(id: string, actor: Actor): Promise<void> {
    const found = (await this.list()).find((of) => of.id === id);
    if (found === undefined)
      throw new SmEdgeError('PERIOD_UNKNOWN', `no label of a time has the id ${id}`, {
        hint: '"sm-edge cases periods" lists them',
      });
    const { point, fromMs, toMs } = found;
    await this.#say({
      ...{ point, verdict: 'withdrawn', ...actor, alarms: [], replaces: [id] },
      ...{ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() },
      message: `${actor.by} takes back what was said of ${point}`,
    });
  }

  async #say(payload: PeriodPayload & { readonly message: string }): Promise<string> {
    const { announcer, clock, newId } = this.#deps;
    const time = new Date(clock.nowMs()).toISOString();
    const id = newId();
    await announcer.fact('PeriodLabelled', { ...payload, time }, newId(), [], undefined, id);
    return id;
  }

  #requireSpan(fromMs: number, toMs: number): void {
    const nowMs = this.#deps.clock.nowMs();
    const invalid = (why: string, hint: string) => new SmEdgeError('PERIOD_INVALID', why, { hint });
    if (!(fromMs < toMs))
      throw invalid(
        'the time ends before it begins',
        'give --from, then a later --to; both are UTC where no zone is given',
      );
    if (toMs > nowMs + AHEAD_MS)
      throw invalid(
        `${new Date(toMs).toISOString()} is still to come`,
        `a label is of what was; it is ${new Date(nowMs).toISOString()} at the gateway`,
      );
    if (toMs - fromMs > LONGEST_PERIOD_MS)
      throw invalid(
        'one label is of 31 days at most',
        'name the days in which it showed, or label month by month',
      );
  }

  /** A label of a point that was mistyped would teach nothing, and nobody would know. */
  async #requireKnown(point: string): Promise<void> {
    const { board, store } = this.#deps;
    if (board.point(point) !== undefined) return;
    const any = await store.features(point, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1);
    if (any.length > 0) return;
    const { machine } = pointParts(point);
    const own = board.points().map((of) => of.point);
    const near = own.filter((of) => pointParts(of).machine === machine);
    const some = (near.length > 0 ? near : own).slice(0, 5).join(', ');
    throw new SmEdgeError('POINT_UNKNOWN', `nothing has come from a point named ${point}`, {
      hint: some === '' ? '"sm-edge status" lists the points' : `there are ${some}`,
    });
  }

  /** Alarms of the machine that stood in a stretch of time, but for those that somebody called false. */
  async #stoodAt(point: string, fromMs: number, toMs: number): Promise<string[]> {
    const events = await this.#events({ types: TROUBLE_EVENTS, fromMs: fromMs - STOOD_MS });
    const { stood } = troublesOf(events, pointParts(point).machine);
    const during = stood.filter((of) => of.correct !== false && of.fromMs <= toMs && of.toMs >= fromMs);
    return [...new Set(during.map((of) => `${of.alarm}@${of.point}`))];
  }

  async #events(query: {
    readonly types: typeof TROUBLE_EVENTS;
    readonly point?: string;
    readonly fromMs?: number;
  }): Promise<GatewayEvent[]> {
    const events: GatewayEvent[] = [];
    for (let afterSeq = 0; events.length < MOST_EVENTS; ) {
      const page = await this.#deps.store.journal.find({ ...query, afterSeq, limit: PAGE });
      events.push(...page.map(({ event }) => event));
      if (page.length < PAGE) break;
      afterSeq = page.at(-1)!.seq;
    }
    return events;
  }
}
