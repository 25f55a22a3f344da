import { describe, expect, it } from 'vitest';
import {
  type Calibration,
  calibrationLine,
  calibrationOf,
  calibrationSchema,
  countsToUnit,
  countsToVolts,
  fullScaleOf,
  unitToCounts,
  unitToVolts,
  voltsToCounts,
  voltsToUnit,
} from '#sm/signals/calibration.js';
import { createDecoder, payloadSchema } from '#sm/sources/payloads/index.js';

const parse = (config: object) => calibrationSchema.parse(config);

/** IEPE sensor, 100 mV/g, amplified ten times, 16 bits over ±10 V: 1 g is 1 V at the converter. */
const IEPE: Calibration = calibrationOf(
  parse({ adcRange: 10, gain: 10, sensitivity: 100 }),
  { bits: 16, signed: true },
  'g',
);
/** MEMS sensor, 330 mV/g about 1.65 V, 12 bits unsigned over 0 to 3.3 V. */
const MEMS: Calibration = calibrationOf(
  parse({ adcRange: 3.3, adcBits: 12, sensitivity: 330, biasV: 1.65 }),
  { bits: 16, signed: false },
  'g',
);

describe('calibration', () => {
  it('goes from counts to volts to g', () => {
    expect(countsToVolts(3276.8, IEPE)).toBeCloseTo(0.1, 12);
    expect(voltsToUnit(0.1, IEPE)).toBeCloseTo(1, 12);
    expect(countsToUnit(3276.8, IEPE)).toBeCloseTo(1, 12);
    expect(fullScaleOf(IEPE)).toBeCloseTo(10, 12);
    expect(countsToUnit(2048, MEMS)).toBeCloseTo(0, 12);
    expect(countsToUnit(4096, MEMS)).toBeCloseTo(5, 12);
  });

  it('comes back to the same counts', () => {
    for (const c of [IEPE, MEMS])
      for (const counts of [-32768, -1, 0, 1, 12345.5, 32767]) {
        expect(voltsToCounts(countsToVolts(counts, c), c)).toBeCloseTo(counts, 9);
        expect(unitToCounts(countsToUnit(counts, c), c)).toBeCloseTo(counts, 8);
        expect(unitToVolts(voltsToUnit(counts, c), c)).toBeCloseTo(counts, 8);
      }
  });

  it('is one line for the decoder', () => {
    for (const c of [IEPE, MEMS]) {
      const { scale, offset } = calibrationLine(c);
      expect(1234 * scale + offset).toBeCloseTo(countsToUnit(1234, c), 10);
    }
  });

  it('turns an inverted sensor round', () => {
    const inverted = calibrationOf(
      parse({ adcRange: 5, sensitivity: -100 }),
      { bits: 16, signed: true },
      'g',
    );
    expect(countsToUnit(32768, inverted)).toBeCloseTo(-50, 10);
    expect(fullScaleOf(inverted)).toBeCloseTo(50, 10);
  });

  it('refuses a sensor without sensitivity, a converter without range and unknown keys', () => {
    for (const config of [
      { adcRange: 5, sensitivity: 0 },
      { adcRange: 0, sensitivity: 100 },
      { sensitivity: 100 },
      { adcRange: 5, sensitivity: 100, sensitivityMv: 3 },
    ])
      expect(calibrationSchema.safeParse(config).success).toBe(false);
  });

  it('is part of a waveform payload', () => {
    const config = payloadSchema.parse({
      kind: 'waveform',
      encoding: 'int16le',
      sampleRateHz: 1000,
      unit: 'g',
      calibration: { adcRange: 10, gain: 10, sensitivity: 100 },
    });
    const decoder = createDecoder(config, () => 'pump-1.bearing-de.acceleration');
    const payload = Buffer.alloc(6);
    [3277, -16384, 0].forEach((counts, i) => {
      payload.writeInt16LE(counts, 2 * i);
    });
    const { blocks } = decoder.decode(payload, { timeMs: 0, repeated: false } as never);
    expect(blocks[0]!.unit).toBe('g');
    expect([...blocks[0]!.samples].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([1.0001, -5, 0]);
  });

  it('does not stand beside a scale', () => {
    const calibration = { adcRange: 10, sensitivity: 100 };
    for (const other of [{ scale: 2 }, { fullScale: 3 }, { offset: 1 }])
      expect(
        payloadSchema.safeParse({ kind: 'waveform', sampleRateHz: 1000, unit: 'g', calibration, ...other })
          .success,
      ).toBe(false);
  });
});
