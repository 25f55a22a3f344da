import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { encodeWav } from '#sm/signals/wav.js';

export const SMALL_SET_RATE_HZ = 12_000;
const SPEED_RPM = 1794;
/** Of a 6205, in turns of the shaft. */
const BPFO_ORDERS = 3.585;
const LENGTH = 40_000;

/** Balls slip: from one shock to the next this much, as a share. */
const SLIP = 0.01;
const DECAY_PER_S = 800;

/** A machine that turns; with `defect`, a damaged outer race rings at 3 kHz each time that a ball passes. */
function vibration(seed: number, defect: boolean): Float32Array {
  const random = seededRandom(seed);
  const shaftHz = SPEED_RPM / 60;
  let sinceShockS = 0;
  let untilShockS = 0;
  return Float32Array.from({ length: LENGTH }, (_, i) => {
    sinceShockS += 1 / SMALL_SET_RATE_HZ;
    untilShockS -= 1 / SMALL_SET_RATE_HZ;
    if (untilShockS <= 0) {
      sinceShockS = -untilShockS;
      untilShockS += (1 + SLIP * gaussian(random)) / (BPFO_ORDERS * shaftHz);
    }
    const ringing = Math.exp(-DECAY_PER_S * sinceShockS) * Math.sin(2 * Math.PI * 3_000 * sinceShockS);
    const turning = 0.2 * Math.sin((2 * Math.PI * shaftHz * i) / SMALL_SET_RATE_HZ);
    return turning + 0.02 * gaussian(random) + (defect ? ringing : 0);
  });
}

/** Writes a recording set: two sound recordings `a.wav` and `b.wav`, one `faulted.wav`, and a table of two rows. */
export function writeSmallSet(folder: string): void {
  const recordings = [
    { file: 'a.wav', label: 'normal', samples: vibration(3, false) },
    { file: 'b.wav', label: 'normal', samples: vibration(4, false) },
    { file: 'faulted.wav', label: 'outer', samples: vibration(5, true) },
  ];
  for (const { file, samples } of recordings) {
    const wav = encodeWav({
      samples: samples.map((value) => value / 4),
      channels: 1,
      sampleRateHz: SMALL_SET_RATE_HZ,
    });
    writeFileSync(join(folder, file), wav);
  }
  writeFileSync(join(folder, 'table.csv'), 'time;t\n2024-01-01 00:00:00;20.5\n2024-01-01 00:00:01;21.5\n');
  const manifest = {
    format: 'recording-set/1',
    name: 'small',
    bearings: {
      rig: { model: '6205', balls: 9, ballDiameterMm: 7.94, pitchDiameterMm: 39.04, contactAngleDeg: 0 },
    },
    recordings: recordings.map(({ file, label }) => ({
      file,
      label,
      point: 'rig.de.acceleration',
      quantity: 'acceleration',
      unit: 'g',
      fullScale: 4,
      sampleRateHz: SMALL_SET_RATE_HZ,
      speedRpm: SPEED_RPM,
      bearing: 'rig',
    })),
    tables: [
      {
        file: 'table.csv',
        separator: ';',
        time: { column: 'time', format: 'yyyy-MM-dd HH:mm:ss' },
        points: [{ column: 't', point: 'rig.temperature', quantity: 'temperature', unit: 'degC' }],
      },
    ],
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
}
