import { DEFAULT_ANOMALY_ALARM } from '#sm/alarms/config.js';
import { AlarmEngine } from '#sm/alarms/engine.js';
import { AnomalyValidator } from '#sm/alarms/validator.js';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { judgeAssessment } from '#sm/pipeline/assessment/anomalies.js';
import { Assessor } from '#sm/pipeline/assessment/assessor.js';
import { MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { OperatingStates } from '#sm/pipeline/machines/operating-states.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { modelsConfigSchema } from '#sm/scoring/selection.js';
import { watchedMachineSchema } from '#sm/scoring/watched-machine.js';

/** Anomalous values of a point with at most this long between them are one anomaly. */
const GAP_MS = 6_000;

/**
 * Judges a recorded story of one machine by its baselines, as the daemon does, under one way of knowing its states.
 * @param machine id; @param states of the config
 * @param story `{ timeMs, readings: { point: [value, unit] }, fault }` in order of time; `fault` names the labelled
 *   fault of that moment, undefined where there is none, null where the moment is not counted
 */
export async function judgeStory(machine, states, story) {
  const machines = new MachineRegistry([watchedMachineSchema.parse({ id: machine, states })]);
  const scorer = new Scorer({ clock: systemClock, metrics: new Metrics() });
  const assessor = new Assessor(scorer, modelsConfigSchema.parse({ default: 'none' }), new Map());
  const operating = new OperatingStates(machines);
  const validator = new AnomalyValidator();
  const alarms = new AlarmEngine([DEFAULT_ANOMALY_ALARM]);
  const counts = {
    healthy: { values: 0, judged: 0, anomalous: 0 },
    faulty: { values: 0, judged: 0, anomalous: 0 },
    falseAnomalies: 0,
    falseByPoint: {},
    falseBelieved: 0,
    falseAlarms: 0,
  };
  const faults = new Map();
  const open = new Map();
  const spent = {};
  for (const { timeMs, readings, fault } of story) {
    for (const [point, [value, unit]] of Object.entries(readings))
      operating.reading({ point, timeMs, value, unit, quality: 'good' });
    if (typeof fault === 'string' && !faults.has(fault))
      faults.set(fault, { fromMs: timeMs, seen: false, believedMs: undefined });
    let told;
    for (const [point, [value]] of Object.entries(readings)) {
      const at = operating.over(point, timeMs, timeMs);
      told = at?.name ?? 'running';
      const assessment = assessor.reading(point, value, { timeMs, at, tells: operating.isTeller(point) });
      const verdict = judgeAssessment(validator, point, timeMs, assessment);
      const { worst } = assessment;
      const changes =
        worst === undefined
          ? []
          : alarms.evaluateScore({ ...worst, point, timeMs, heldBack: verdict?.confirmed === false });
      if (fault === null) continue;
      const side = fault === undefined ? counts.healthy : counts.faulty;
      side.values++;
      if (worst !== undefined) side.judged++;
      if (!worst?.anomalous) continue;
      side.anomalous++;
      const isNew = timeMs - (open.get(point) ?? Number.NEGATIVE_INFINITY) > GAP_MS;
      open.set(point, timeMs);
      if (fault !== undefined) {
        const seen = faults.get(fault);
        seen.seen = true;
        if (verdict?.confirmed) seen.believedMs ??= timeMs - seen.fromMs;
        continue;
      }
      if (isNew) {
        counts.falseAnomalies++;
        counts.falseByPoint[point] = (counts.falseByPoint[point] ?? 0) + 1;
      }
      if (verdict?.first) counts.falseBelieved++;
      counts.falseAlarms += changes.filter(({ to }) => to === 'unacknowledged').length;
    }
    spent[told] = (spent[told] ?? 0) + 1;
  }
  await scorer.close();
  const delays = [...faults.values()].flatMap(({ believedMs }) => believedMs ?? []).sort((a, b) => a - b);
  const share = (of, by) => Number((of / Math.max(1, by)).toFixed(4));
  return {
    valuesHealthy: counts.healthy.values,
    valuesFaulty: counts.faulty.values,
    judgedHealthy: share(counts.healthy.judged, counts.healthy.values),
    judgedFaulty: share(counts.faulty.judged, counts.faulty.values),
    anomalousHealthy: share(counts.healthy.anomalous, counts.healthy.values),
    anomalousFaulty: share(counts.faulty.anomalous, counts.faulty.values),
    falseAnomalies: counts.falseAnomalies,
    falseByPoint: counts.falseByPoint,
    falseBelieved: counts.falseBelieved,
    falseAlarms: counts.falseAlarms,
    faults: faults.size,
    faultsSeen: [...faults.values()].filter(({ seen }) => seen).length,
    faultsBelieved: delays.length,
    medianDelayS: delays.length === 0 ? null : delays[delays.length >> 1] / 1000,
    toldBy: operating.view(machine, story.at(-1).timeMs)?.toldBy ?? [],
    secondsByState: spent,
  };
}
