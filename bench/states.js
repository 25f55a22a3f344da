// What operating states are worth: machines that stand still, run up, and run at two loads, with a bearing that fails
// and shows it at one of them. The same hours are judged with states declared, found, and without.
//   npm run bench -- states
//   SM_EDGE_BENCH_MACHINES=2 npm run bench -- states        fewer machines
import { DEFAULT_ANOMALY_ALARM } from '#sm/alarms/config.js';
import { AlarmEngine } from '#sm/alarms/engine.js';
import { AnomalyValidator } from '#sm/alarms/validator.js';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { judgeAssessment } from '#sm/pipeline/assessment/anomalies.js';
import { Assessor } from '#sm/pipeline/assessment/assessor.js';
import { analysisSpecOf, MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { OperatingStates } from '#sm/pipeline/machines/operating-states.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { modelsConfigSchema } from '#sm/scoring/selection.js';
import { watchedMachineSchema } from '#sm/scoring/watched-machine.js';

const MACHINES = Number(process.env.SM_EDGE_BENCH_MACHINES ?? 20);
const STEP_MS = 1000;
/** Healthy rounds, and rounds with the fault. */
const HEALTHY = 16;
const FAULTY = 4;
const POINT = 'pump-1.bearing-de.acceleration';

/** One second of the machine after the other: what it does, and what its points show. */
function* duty(seed) {
  const random = seededRandom(seed);
  const noise = (share) => Math.exp(share * gaussian(random));
  const loads = [700 + 400 * random(), 1300 + 300 * random()];
  let temperature = 22;
  let second = 0;
  for (let round = 0; round < HEALTHY + FAULTY; round++) {
    const faulty = round >= HEALTHY;
    const parts = [
      ['stopped', 120 + 120 * random(), 0, 0],
      ['run-up', 15 + 15 * random(), 0, loads[0]],
      ['low', 240 + 120 * random(), loads[0], loads[0]],
      ['run-up', 5 + 10 * random(), loads[0], loads[1]],
      ['high', 240 + 120 * random(), loads[1], loads[1]],
      ['run-down', 10 + 10 * random(), loads[1], 0],
    ];
    for (const [part, length, from, to] of parts) {
      for (let at = 0; at < length; at++, second++) {
        const speed = from + ((to - from) * at) / length;
        const level = (speed / 1480) ** 2;
        // The bearing is loaded enough to show its defect at the higher load only.
        const hit = faulty && part === 'high' ? 1 : 0;
        temperature += (22 + 30 * (speed / 1480) - temperature) / 600;
        const rms = (0.004 + 0.4 * level) * noise(0.06) * (1 + 0.25 * hit);
        yield {
          timeMs: second * STEP_MS,
          part,
          faulty: hit === 1,
          readings: {
            'pump-1.shaft.speed': [speed === 0 ? 0 : speed * noise(0.002), 'rpm'],
            'pump-1.motor.current': [speed === 0 ? 0.02 : (3 + 9 * level) * noise(0.015), 'A'],
            'pump-1.bearing-de.temperature': [temperature + 0.1 * gaussian(random), 'degC'],
          },
          features: {
            rms,
            peak: rms * (4.2 + 2.5 * hit) * noise(0.08),
            kurtosis: 3 + 0.12 * gaussian(random) + 4 * hit,
            crestFactor: (4.2 + 2.5 * hit) * noise(0.05),
            velocityRmsMmPerS: (0.05 + 3 * level) * noise(0.06),
            spectralCentroidHz: (speed === 0 ? 2400 : 900 + speed) * noise(0.04),
          },
        };
      }
    }
  }
}

const STATES = {
  none: () => 'none',
  found: () => 'found',
  declared: () => ({
    point: '{machine}.shaft.speed',
    unit: 'rpm',
    stoppedBelow: 40,
    bins: [
      { name: 'low', from: 650, to: 1150 },
      { name: 'high', from: 1250, to: 1650 },
    ],
  }),
};

async function judge(seed, states, knownFrom) {
  const machines = new MachineRegistry([
    watchedMachineSchema.parse({ id: 'pump-1', class: 'pump', states: STATES[states]() }),
  ]);
  const scorer = new Scorer({ clock: systemClock, metrics: new Metrics() });
  const assessor = new Assessor(scorer, modelsConfigSchema.parse({ default: 'none' }), new Map());
  const operating = new OperatingStates(machines);
  const validator = new AnomalyValidator();
  const alarms = new AlarmEngine([DEFAULT_ANOMALY_ALARM]);
  const context = machines.contextOf(POINT);
  const spec = analysisSpecOf(context, 25_600, 'g');
  const counts = {
    blocks: 0,
    falseAnomalies: 0,
    falseByPart: {},
    falseBelieved: 0,
    falseAlarms: 0,
    faultBlocks: 0,
    faultAnomalous: 0,
    faultDelayBlocks: null,
    faultAlarms: 0,
  };
  const open = new Map();
  try {
    for (const { timeMs, part, faulty, readings, features } of duty(seed)) {
      const assessed = [];
      for (const [point, [value, unit]] of Object.entries(readings))
        operating.reading({ point, timeMs, value, unit, quality: 'good' });
      operating.features(POINT, 'g', features, timeMs + STEP_MS);
      for (const [point, [value]] of Object.entries(readings)) {
        const at = operating.over(point, timeMs, timeMs);
        assessed.push([
          point,
          assessor.reading(point, value, { timeMs, at, tells: operating.isTeller(point) }),
        ]);
      }
      const at = operating.over(POINT, timeMs, timeMs + STEP_MS);
      assessed.push([POINT, await assessor.window(context, spec, { timeMs, features }, at)]);
      // The first rounds are for learning what is usual, in every variant.
      const counted = timeMs >= knownFrom;
      for (const [point, assessment] of assessed) {
        const verdict = judgeAssessment(validator, point, timeMs, assessment);
        const { worst } = assessment;
        const isFault = faulty && point === POINT;
        if (counted) counts.blocks++;
        if (isFault) {
          counts.faultBlocks++;
          if (worst?.anomalous) counts.faultAnomalous++;
          if (verdict?.confirmed && counts.faultDelayBlocks === null)
            counts.faultDelayBlocks = counts.faultBlocks;
        } else if (worst?.anomalous && counted) {
          // A run of anomalous blocks with at most five usual ones between is one anomaly.
          if (timeMs - (open.get(point) ?? -1e9) > 6 * STEP_MS) {
            counts.falseAnomalies++;
            counts.falseByPart[part] = (counts.falseByPart[part] ?? 0) + 1;
          }
          open.set(point, timeMs);
        }
        if (verdict?.first && !isFault && counted) counts.falseBelieved++;
        if (worst === undefined) continue;
        const changes = alarms.evaluateScore({
          ...worst,
          point,
          timeMs,
          heldBack: verdict?.confirmed === false,
        });
        for (const { to } of changes)
          if (to === 'unacknowledged') isFault ? counts.faultAlarms++ : counted && counts.falseAlarms++;
      }
    }
  } finally {
    await scorer.close();
  }
  return counts;
}

export async function bench() {
  const results = {};
  for (const states of Object.keys(STATES)) {
    const all = [];
    // Six rounds of about a quarter of an hour: three visits of each state, and what is usual in it.
    for (let seed = 1; seed <= MACHINES; seed++) all.push(await judge(seed, states, 6 * 900_000));
    const sum = (key) => all.reduce((total, of) => total + of[key], 0);
    const byPart = {};
    for (const { falseByPart } of all)
      for (const [part, count] of Object.entries(falseByPart)) byPart[part] = (byPart[part] ?? 0) + count;
    const delays = all.map(({ faultDelayBlocks }) => faultDelayBlocks).filter((delay) => delay !== null);
    results[states] = {
      machines: MACHINES,
      blocks: sum('blocks'),
      falseAnomalies: sum('falseAnomalies'),
      falseAnomaliesByPart: byPart,
      falseBelieved: sum('falseBelieved'),
      falseAlarms: sum('falseAlarms'),
      faultBlocksAnomalous: sum('faultAnomalous') / sum('faultBlocks'),
      faultsSeen: delays.length,
      longestDelayBlocks: delays.length === 0 ? null : Math.max(...delays),
    };
  }
  return results;
}
