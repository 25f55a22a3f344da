// Training on the gateway: CPU time of `sm-edge train` on a table of 10,000 rows and 64 features, detector by detector.
//   node bench/run.js training
import { gaussian, seededRandom } from '#sm/base/random.js';
import { trainDetector } from '#sm/scoring/learning/train-detector.js';

const ROWS = 10_000;
const FEATURES = 64;
const FACTORS = 5;

const cpuS = () => process.cpuUsage().user / 1e6;

export async function bench() {
  const random = seededRandom(3);
  const loadings = Array.from({ length: FACTORS }, () =>
    Array.from({ length: FEATURES }, () => gaussian(random)),
  );
  const names = Array.from({ length: FEATURES }, (_, j) => `f${j}`);
  const rows = Array.from({ length: ROWS }, () => {
    const factors = loadings.map(() => gaussian(random));
    return Object.fromEntries(
      names.map((name, j) => [
        name,
        10 + loadings.reduce((sum, of, k) => sum + of[j] * factors[k], 0) + 0.3 * gaussian(random),
      ]),
    );
  });
  const detectors = [];
  const startS = cpuS();
  let lastS = startS;
  const { detector } = await trainDetector(rows, names, {
    falseAlarmProbability: 1e-4,
    seed: 1,
    onTrial: ({ kind, detected }) => {
      detectors.push({
        kind,
        detected: Number(detected.toFixed(3)),
        cpuS: Number((cpuS() - lastS).toFixed(1)),
      });
      lastS = cpuS();
    },
  });
  return {
    rows: ROWS,
    features: FEATURES,
    chosen: detector.kind,
    cpuS: Number((cpuS() - startS).toFixed(1)),
    detectors,
  };
}
