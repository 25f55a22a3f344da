// How often the diagnosis is right on machines drawn at random (src/simulator/random-rig.ts), and how often it names a
// fault that is not there.
// usage: npm run build && node scripts/diagnosis-rates.js [--seeds 100] [--from 1] [--fault inner] [--each]
import { parseArgs } from 'node:util';
import { diagnose } from '../dist/diagnosis/diagnose.js';
import { drawRig, RIG_FAULTS } from '../dist/simulator/random-rig.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    fault: { type: 'string', default: '' },
    each: { type: 'boolean', default: false },
  },
});
const [seeds, from] = [Number(values.seeds), Number(values.from)];
const faults = values.fault === '' ? RIG_FAULTS : values.fault.split(',');
/** Shock over background: below 1 a shock is lost in the noise to the eye, from 3 on it can be seen. */
const STRENGTHS = [0, 0.5, 1, 2, 6.1];

let speedRight = 0;
let speedWrong = 0;
let total = 0;
const rows = [];
for (const fault of faults) {
  const groups = new Map();
  for (let seed = from; seed < from + seeds; seed++) {
    const rig = drawRig({ seed, fault });
    const diagnosis = await diagnose([rig.samples], rig.spec);
    total++;
    if (diagnosis.speedRpm !== undefined) {
      if (Math.abs(diagnosis.speedRpm / rig.trueSpeedRpm - 1) < 0.004) speedRight++;
      else speedWrong++;
    }
    const bin = STRENGTHS.findIndex((limit) => rig.strength <= limit);
    const group = groups.get(bin) ?? { count: 0, right: 0, wrong: 0, verdicts: {} };
    group.count++;
    if (diagnosis.fault === fault) group.right++;
    else if (diagnosis.fault !== 'normal' && diagnosis.fault !== 'unknown') group.wrong++;
    group.verdicts[diagnosis.fault] = (group.verdicts[diagnosis.fault] ?? 0) + 1;
    groups.set(bin, group);
    if (values.each)
      process.stdout.write(
        `${fault} ${seed} ${rig.strength.toFixed(2)} [${rig.nuisances}] ${(rig.spec.speedRpm / rig.trueSpeedRpm).toFixed(3)} -> ${diagnosis.fault} ${diagnosis.confidence.toFixed(2)} ${diagnosis.speedRpm === undefined ? 'speed?' : (diagnosis.speedRpm / rig.trueSpeedRpm).toFixed(4)} ${diagnosis.evidence.map((line) => `${line.feature}=${line.ratio.toFixed(1)}`).join(',')}\n`,
      );
  }
  for (const [bin, { count, right, wrong, verdicts }] of [...groups].sort(([a], [b]) => a - b)) {
    const range = bin === 0 ? '' : ` shock ${STRENGTHS[bin - 1]}-${STRENGTHS[bin]}`;
    rows.push(
      `${fault}${range} | ${count} | right ${((100 * right) / count).toFixed(0)} % | wrong ${((100 * wrong) / count).toFixed(1)} % | ${JSON.stringify(verdicts)}`,
    );
  }
}
process.stdout.write(`${rows.join('\n')}\n`);
process.stdout.write(
  `speed: ${total} rigs, certain and right ${((100 * speedRight) / total).toFixed(1)} %, certain and wrong ${((100 * speedWrong) / total).toFixed(1)} %\n`,
);
