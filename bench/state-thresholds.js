// A model that is learned over two duties: one threshold for both, and one for each. False alarms are counted on healthy
// windows that came later, faults on windows with a small fault, in each duty.
//   npm run bench -- state-thresholds
//   SM_EDGE_BENCH_MACHINES=2 SM_EDGE_BENCH_DETECTORS=mahalanobis npm run bench -- state-thresholds      a short look
import { learnedModel } from '#sm/scoring/learning/learned-model.js';
import { trainDetector } from '#sm/scoring/learning/train-detector.js';
import { DUTIES, drawMachine, healthyHours } from './support/two-duties.js';

const MACHINES = Number(process.env.SM_EDGE_BENCH_MACHINES ?? 12);
/** Detectors to choose among; all where missing. */
const KINDS = process.env.SM_EDGE_BENCH_DETECTORS?.split(',');
const PROBABILITY = 1e-3;
const LEARNED = 8_000;
const LATER = 8_000;
const FAULTS = [0.1, 0.2, 0.3, 0.5];
const FROM = { name: 'pump', version: '1', quantity: 'acceleration', data: 'synthetic', terms: 'synthetic' };

async function oneAndMany(seed) {
  const machine = drawMachine(seed);
  const { rows, states } = healthyHours(machine, LEARNED);
  const features = Object.keys(rows[0]);
  const options = {
    falseAlarmProbability: PROBABILITY,
    seed,
    ...(KINDS === undefined ? {} : { kinds: KINDS }),
  };
  const results = {};
  for (const [variant, known] of [
    ['one', undefined],
    ['per state', states],
  ]) {
    const trained = await trainDetector(rows, features, {
      ...options,
      ...(known === undefined ? {} : { states: known }),
    });
    const { manifest } = learnedModel(trained, rows, FROM, known);
    const { value, states: own = {} } = manifest.threshold;
    const over = (row, duty) => trained.detector.score(row) / trained.limit > (own[duty]?.value ?? value);
    results[variant] = Object.fromEntries(
      DUTIES.map((duty) => {
        const healthy = Array.from({ length: LATER }, () => machine.row(duty));
        const faulty = FAULTS.flatMap((fault) =>
          Array.from({ length: LATER / 20 }, () => machine.row(duty, fault)),
        );
        const share = (of) => of.filter((row) => over(row, duty)).length / of.length;
        return [duty, { falseAlarms: share(healthy) / PROBABILITY, found: share(faulty) }];
      }),
    );
    const { low, high } = results[variant];
    results[variant].together =
      machine.shareOfLow * low.falseAlarms + (1 - machine.shareOfLow) * high.falseAlarms;
  }
  return results;
}

/** Mean over machines; false alarms in multiples of what was asked for. */
export async function bench() {
  const all = [];
  for (let seed = 1; seed <= MACHINES; seed++) all.push(await oneAndMany(seed));
  const round = (value) => Number(value.toPrecision(3));
  const mean = (of) => round(all.reduce((sum, one) => sum + of(one), 0) / all.length);
  return Object.fromEntries(
    ['one', 'per state'].map((variant) => [
      variant,
      {
        machines: MACHINES,
        ...Object.fromEntries(
          DUTIES.map((duty) => [
            duty,
            {
              falseAlarms: mean((one) => one[variant][duty].falseAlarms),
              faultsFound: mean((one) => one[variant][duty].found),
            },
          ]),
        ),
        falseAlarmsTogether: mean((one) => one[variant].together),
        worstDutyFalseAlarms: mean((one) =>
          Math.max(...DUTIES.map((duty) => one[variant][duty].falseAlarms)),
        ),
      },
    ]),
  );
}
