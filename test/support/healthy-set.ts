import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeWav } from '#sm/signals/wav.js';

const RATE_HZ = 8000;

/** Writes a recording set of a healthy machine: ten recordings of eight windows each, at loads that differ. */
export function writeHealthySet(folder: string, noise: () => number): void {
  const recordings = Array.from({ length: 10 }, (_, index) => ({
    file: `${index}.wav`,
    point: 'pump.de.acceleration',
    quantity: 'acceleration',
    unit: 'g',
    fullScale: 8,
    label: 'normal',
  }));
  recordings.forEach(({ file }, index) => {
    const load = 0.3 + 0.03 * index;
    const samples = Float32Array.from(
      { length: 8 * 8192 },
      (_, i) => (load * Math.sin((2 * Math.PI * 29.7 * i) / RATE_HZ) + 0.2 * load * noise()) / 8,
    );
    writeFileSync(join(folder, file), encodeWav({ samples, channels: 1, sampleRateHz: RATE_HZ }));
  });
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify({ format: 'recording-set/1', name: 'healthy', recordings }),
  );
}
