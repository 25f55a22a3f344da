// Verdicts over recording sets (docs: recording-set/1), from the nameplate alone, also with its speed wrong on purpose.
// usage: npm run build && node scripts/diagnose-recordings.js DIR... [--nameplate 0.93,0.96,1,1.04,1.07] [--each]
//   --each  one line per recording with its verdict at every nameplate
import { parseArgs } from 'node:util';
import { diagnose } from '../dist/diagnosis/diagnose.js';
import { openRecordingSet } from '../dist/signals/recording-set.js';

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

for (const folder of positionals) {
  const set = await openRecordingSet(folder);
  const counts = new Map();
  for (const entry of set.manifest.recordings) {
    if (!entry.file.includes(values.only)) continue;
    const recording = await set.readRecording(entry);
    const blocks = recording.blocks.map((block) => block.samples);
    const verdicts = [];
    for (const share of nameplates) {
      const diagnosis = await diagnose(blocks, {
        sampleRateHz: recording.sampleRateHz,
        blockLength: blocks[0].length,
        unit: recording.unit,
        quantity: recording.quantity,
        ...(recording.speedRpm === undefined ? {} : { speedRpm: recording.speedRpm * share }),
        ...(recording.bearing === undefined ? {} : { bearing: recording.bearing }),
      });
      verdicts.push(diagnosis);
      const key = `${recording.file.split('/')[0]} | ${recording.label} | ${share}`;
      const count = counts.get(key) ?? {};
      count[diagnosis.fault] = (count[diagnosis.fault] ?? 0) + 1;
      counts.set(key, count);
    }
    if (values.each) {
      const text = verdicts.map(({ fault, confidence, speedRpm, evidence }) => {
        const speed = speedRpm === undefined ? '?' : (speedRpm / recording.speedRpm).toFixed(4);
        return `${fault} ${confidence.toFixed(2)} @${speed} ${evidence.map((line) => `${line.feature}=${line.ratio.toFixed(1)}`).join(',')}`;
      });
      process.stdout.write(`${recording.file}: ${text.join(' | ')}\n`);
    }
  }
  for (const [key, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
    process.stdout.write(`${set.manifest.name ?? folder} | ${key} | ${JSON.stringify(count)}\n`);
}
