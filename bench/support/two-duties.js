// Machines with two duties, drawn at random: how wide the features scatter differs from duty to duty, as it does where
// flow or load unsettles a machine. A fault shows in both.
import { gaussian, seededRandom } from '#sm/base/random.js';

export const DUTIES = ['low', 'high'];

/** @returns {{ row: (duty: string, fault?: number) => Record<string, number>, shareOfLow: number }} */
export function drawMachine(seed) {
  const random = seededRandom(seed);
  const between = (low, high) => low + (high - low) * random();
  const shareOfLow = between(0.15, 0.85);
  const speeds = { low: between(700, 1100), high: between(1300, 1600) };
  const scatter = { low: between(0.02, 0.05), high: between(0.06, 0.15) };
  const spikes = { low: between(0.02, 0.05), high: between(0.05, 0.15) };
  function row(duty, fault = 0) {
    const wide = (share) => Math.exp(share * gaussian(random));
    const level = (speeds[duty] / 1480) ** 2;
    // Load swings move the levels together; each feature has noise of its own besides.
    const swing = wide(scatter[duty]);
    const rms = 0.4 * level * swing * wide(scatter[duty] / 2) * (1 + 0.3 * fault);
    const crestFactor = 4.2 * wide(spikes[duty]) * (1 + 0.5 * fault);
    return {
      rms,
      crestFactor,
      peak: rms * crestFactor * wide(0.03),
      kurtosis: 3 * wide(spikes[duty]) * (1 + 0.4 * fault),
      velocityRmsMmPerS: 3 * level * swing * wide(scatter[duty]),
      'band.1000-2500.rms': 0.1 * level * swing * wide(scatter[duty]) * (1 + 0.8 * fault),
      spectralCentroidHz: (900 + speeds[duty]) * wide(scatter[duty] / 2),
    };
  }
  return { row, shareOfLow };
}

/** Healthy hours: the machine goes from duty to duty and back, a few minutes each. */
export function healthyHours(machine, rows) {
  const out = { rows: [], states: [] };
  const round = 600;
  for (let i = 0; i < rows; i++) {
    const duty = i % round < machine.shareOfLow * round ? 'low' : 'high';
    out.rows.push(machine.row(duty));
    out.states.push(duty);
  }
  return out;
}
