// Verdicts over recording sets (docs: recording-set/1), from the nameplate alone, also with its speed wrong on purpose.
// usage: npm run build && node scripts/diagnose-recordings.js DIR... [--nameplate 0.93,0.96,1,1.04,1.07] [--each]
//   --each  one line per recording with its verdict at every nameplate
import { parseArgs } from 'node:util';
import { measureRecordings } from '../bench/support/diagnosis.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nameplate: { type: 'string', default: '0.93,0.96,1,1.04,1.07' },
    each: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const nameplates = values.nameplate.split(',').map(Number);
if (positionals.length === 0 || nameplates.some((share) => !(share > 0))) {
  process.stderr.write(
    'usage: diagnose-recordings.js DIR... [--nameplate 0.93,1,1.07] [--each] [--only TEXT]\n',
  );
  process.exit(2);
}

function printEach(recording, verdicts) {
  const text = verdicts.map(({ fault, confidence, speedRpm, evidence }) => {
    const speed = speedRpm === undefined ? '?' : (speedRpm / recording.speedRpm).toFixed(4);
    return `${fault} ${confidence.toFixed(2)} @${speed} ${evidence.map((line) => `${line.feature}=${line.ratio.toFixed(1)}`).join(',')}`;
  });
  process.stdout.write(`${recording.file}: ${text.join(' | ')}\n`);
}

for (const folder of positionals) {
  const counts = await measureRecordings(folder, {
    nameplates,
    only: values.only,
    ...(values.each ? { onEach: printEach } : {}),
  });
  for (const [key, byNameplate] of Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)))
    for (const [share, count] of Object.entries(byNameplate))
      process.stdout.write(`${folder} | ${key} | ${share} | ${JSON.stringify(count)}\n`);
}
