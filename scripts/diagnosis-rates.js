// How often the diagnosis is right on machines drawn at random (src/simulator/random-rig.ts), and how often it names a
// fault that is not there; `npm run bench -- diagnosis` measures the same in one go.
// usage: npm run build && node scripts/diagnosis-rates.js [--seeds 100] [--from 1] [--fault inner] [--each]
import { parseArgs } from 'node:util';
import { measureRates } from '../bench/support/diagnosis.js';
import { RIG_FAULTS } from '../dist/simulator/random-rig.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    fault: { type: 'string', default: '' },
    each: { type: 'boolean', default: false },
  },
});

function printEach(seed, { fault, strength, nuisances, spec, trueSpeedRpm }, diagnosis) {
  const declared = (spec.speedRpm / trueSpeedRpm).toFixed(3);
  const found = diagnosis.speedRpm === undefined ? 'speed?' : (diagnosis.speedRpm / trueSpeedRpm).toFixed(4);
  const lines = diagnosis.evidence.map((line) => `${line.feature}=${line.ratio.toFixed(1)}`).join(',');
  process.stdout.write(
    `${fault} ${seed} ${strength.toFixed(2)} [${nuisances}] ${declared} -> ${diagnosis.fault} ${diagnosis.confidence.toFixed(2)} ${found} ${lines}\n`,
  );
}

const { rows, speed } = await measureRates({
  faults: values.fault === '' ? RIG_FAULTS : values.fault.split(','),
  from: Number(values.from),
  seeds: Number(values.seeds),
  ...(values.each ? { onEach: printEach } : {}),
});
for (const { fault, shock, machines, rightPercent, falseFaultPercent, verdicts } of rows)
  process.stdout.write(
    `${fault}${shock === undefined ? '' : ` shock ${shock}`} | ${machines} | right ${rightPercent} % | wrong ${falseFaultPercent} % | ${JSON.stringify(verdicts)}\n`,
  );
process.stdout.write(`speed ${JSON.stringify(speed)}\n`);
