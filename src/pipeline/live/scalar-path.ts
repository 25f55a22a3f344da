import type { AlarmEngine } from '../../alarms/engine.js';
import type { NewId } from '../../base/ids.js';
import { isSound } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import type { Anomalies } from '../assessment/anomalies.js';
import type { Assessor } from '../assessment/assessor.js';
import type { OperatingStates } from '../machines/operating-states.js';
import type { PointBoard } from '../machines/point-board.js';
import type { Consequences } from './consequences.js';
import { scoreRow } from './score-row.js';

export interface ScalarPathDeps {
  readonly newId: NewId;
  readonly alarms: AlarmEngine;
  readonly anomalies: Anomalies;
  readonly assessor: Assessor;
  readonly board: PointBoard;
  readonly states: OperatingStates;
  readonly consequences: Consequences;
}

/** The way of one reading: limits, score, verdict, trend, alarm. */
export class ScalarPath {
  readonly #deps: ScalarPathDeps;

  constructor(deps: ScalarPathDeps) {
    this.#deps = deps;
  }

  take(reading: Reading): void {
    const { alarms, anomalies, board, newId, consequences } = this.#deps;
    board.reading(reading);
    anomalies.quality(reading.point, reading.quality);
    // Few readings have consequences: only they get an id that runs through them.
    let id: string | undefined;
    const correlationOf = (): string => {
      id ??= newId();
      return id;
    };
    const transitions = alarms.evaluateReading(reading);
    if (isSound(reading.quality, reading.reason)) {
      this.#score(reading, correlationOf);
      const onTrend = consequences.followTrend(reading);
      if (onTrend.length > 0) void consequences.announce(onTrend, correlationOf());
    }
    if (transitions.length > 0) void consequences.announce(transitions, correlationOf());
  }

  #score({ point, timeMs, value }: Reading, correlationOf: () => string): void {
    const { alarms, anomalies, assessor, states, consequences } = this.#deps;
    const at = states.over(point, timeMs, timeMs);
    const assessment = assessor.reading(point, value, { timeMs, at, tells: states.isTeller(point) });
    const { worst } = assessment;
    consequences.assessed(point, timeMs, assessment);
    if (worst === undefined) return;
    // Scores of scalars are stored when they say something: a year of "usual" wears the flash for nothing.
    if (worst.anomalous) consequences.save({ scores: [scoreRow(point, timeMs, worst, correlationOf())] });
    const verdict = anomalies.judge(point, timeMs, assessment);
    if (verdict?.first)
      anomalies.confirm(
        { point, timeMs, score: worst, reasons: [], diagnosis: undefined, validation: verdict },
        correlationOf(),
      );
    const transitions = alarms.evaluateScore({
      ...worst,
      point,
      timeMs,
      heldBack: verdict?.confirmed === false,
    });
    if (transitions.length > 0)
      void consequences.announce(transitions, correlationOf(), anomalies.causeOf(point));
  }
}
