// How often the control chart (src/scoring/learning/control-chart.ts) alarms on healthy processes of kinds that no recording was
// chosen from, drawn at random, and how soon it sees each of them shift by three standard deviations.
//   npm run bench -- chart
import { gaussian, seededRandom } from '#sm/base/random.js';
import { ControlChart } from '#sm/scoring/learning/control-chart.js';

const LENGTH = 5000;
const SHIFT_AT = 4000;
const SERIES = 100;
const LEARNED = [400, 1000, 2000];
const DAY = 288;

const autoregressive = (memory) => (random) => {
  let value = 0;
  return () => {
    value = memory * value + gaussian(random);
    return value;
  };
};

const sine = (i, period) => Math.sin((2 * Math.PI * i) / period);

/** Each gives the next value of a healthy machine. */
const PROCESSES = {
  white: (random) => () => gaussian(random),
  'memory 0.5': autoregressive(0.5),
  'memory 0.9': autoregressive(0.9),
  'memory 0.98': autoregressive(0.98),
  'heavy tails (t of 3)': (random) => () =>
    gaussian(random) / Math.sqrt((gaussian(random) ** 2 + gaussian(random) ** 2 + gaussian(random) ** 2) / 3),
  lognormal: (random) => () => Math.exp(0.5 * gaussian(random)),
  'two loads': (random) => {
    let left = 0;
    let load = 0;
    return () => {
      if (left-- <= 0) {
        load = 1 - load;
        left = 50 + random() * 100;
      }
      return 3 * load + 0.5 * gaussian(random);
    };
  },
  'daily course': (random) => {
    let i = Math.floor(random() * DAY);
    return () => 2 * sine(i++, DAY) + gaussian(random);
  },
  'rare shocks': (random) => () => (random() < 0.005 ? 8 : 0) + gaussian(random),
  'coarse steps': (random) => () => Math.round(2 * gaussian(random)) / 2,
};

function measure(draw, learned) {
  const delays = [];
  let alarmedSeries = 0;
  let alarmedRows = 0;
  let dropped = 0;
  for (let seed = 1; seed <= SERIES; seed++) {
    const next = draw(seededRandom(seed * 7919));
    const values = Array.from({ length: LENGTH }, next);
    const beginning = values.slice(0, learned);
    const mean = beginning.reduce((sum, value) => sum + value, 0) / learned;
    const deviation = Math.sqrt(beginning.reduce((sum, value) => sum + (value - mean) ** 2, 0) / learned);
    const chart = ControlChart.fit([{ name: 'value', kind: 'value' }], [beginning]);
    const [{ memory }] = chart.toJSON().channels;
    if (learned / memory < 12) dropped++;
    let alarmed = false;
    let seen;
    for (const [i, value] of values.entries()) {
      const { score } = chart.step([i < SHIFT_AT ? value : value + 3 * deviation], i >= learned);
      if (i < learned || score <= 1) continue;
      if (i >= SHIFT_AT) seen ??= i - SHIFT_AT;
      else {
        alarmed = true;
        alarmedRows++;
      }
    }
    if (alarmed) alarmedSeries++;
    if (seen !== undefined) delays.push(seen);
  }
  delays.sort((a, b) => a - b);
  return {
    series: SERIES,
    // Of too long a memory for what was seen of it: judged for want of another channel.
    tooFewIndependent: dropped,
    seriesWithFalseAlarms: alarmedSeries,
    falseAlarmRowsPercent: Number(((100 * alarmedRows) / SERIES / (SHIFT_AT - learned)).toFixed(3)),
    shiftsSeen: delays.length,
    medianDelayRows: delays[delays.length >> 1] ?? null,
  };
}

export function bench() {
  return Object.fromEntries(
    Object.entries(PROCESSES).map(([name, draw]) => [
      name,
      Object.fromEntries(LEARNED.map((learned) => [`${learned} rows learned`, measure(draw, learned)])),
    ]),
  );
}
