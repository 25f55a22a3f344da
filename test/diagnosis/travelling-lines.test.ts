import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { diagnose } from '#sm/diagnosis/diagnose.js';
import { TravellingLines } from '#sm/diagnosis/travelling-lines.js';
import { findBearing } from '#sm/features/bearings.js';
import { createExtractor } from '#sm/features/extractor.js';
import type { AnalysisSpec } from '#sm/features/spec.js';
import { PlantMachines } from '#sm/simulator/plant.js';

const SEVERE_MS = 60_000;

/** Both bearings of a pump of which the drive-end one fails: what the sensors show, and what is said of them. */
async function pumpWithBadDriveEnd() {
  const machines = new PlantMachines({ random: seededRandom(7), faultAfterMs: 0, faultGrowthMs: 1_000 });
  const de: number[] = [];
  const nde: number[] = [];
  let rate = 0;
  for (let step = 0; step < 25; step++) {
    const { pump } = machines.next(SEVERE_MS + step * 160);
    rate = Math.max(rate, pump.de.length);
    de.push(...pump.de);
    nde.push(...pump.nde);
  }
  return { de: Float32Array.from(de), nde: Float32Array.from(nde), sampleRateHz: rate / 0.16 };
}

async function sightOf(samples: Float32Array, sampleRateHz: number) {
  const spec: AnalysisSpec = {
    sampleRateHz,
    unit: 'g',
    quantity: 'acceleration',
    blockLength: samples.length,
    speedRpm: 1780,
    bearing: findBearing('6205')!,
  };
  const extractor = await createExtractor(spec);
  const { envelopeRms } = extractor.extract(samples);
  extractor.close();
  return { diagnosis: await diagnose([samples], spec), envelopeRms };
}

const place = (point: string, envelopeRms: number | undefined, machine = 'pump-1') => ({
  point,
  machine,
  unit: 'g',
  envelopeRms,
});

describe('a line that travels along the shaft', () => {
  it('is told at the weaker bearing, and not at the one that fails', async () => {
    const { de, nde, sampleRateHz } = await pumpWithBadDriveEnd();
    const [near, far] = [await sightOf(de, sampleRateHz), await sightOf(nde, sampleRateHz)];
    expect([near.diagnosis.fault, far.diagnosis.fault]).toEqual(['outer', 'outer']);
    const lines = new TravellingLines();
    expect(lines.tell(near.diagnosis, place('pump-1.de', near.envelopeRms))).toBe(near.diagnosis);
    const told = lines.tell(far.diagnosis, place('pump-1.nde', far.envelopeRms));
    expect(told).toMatchObject({ fault: 'outer', confidence: far.diagnosis.confidence });
    expect(told.sentence).toMatch(
      /The same line is \d+\.\d times as strong at pump-1\.de: look there first\.$/,
    );
    // Told again, the one that fails still is the source, although its neighbour is known by now.
    expect(lines.tell(near.diagnosis, place('pump-1.de', near.envelopeRms))).toBe(near.diagnosis);
  });

  const verdict = (frequencyHz: number, value: number, fault: 'outer' | 'inner' | 'unbalance' = 'outer') => ({
    fault,
    confidence: 0.9,
    evidence: [{ feature: 'bpfo', frequencyHz, orders: 3.6, value, ratio: 9 }],
    sentence: 'A fault.',
  });

  it('is none where machine, fault, frequency or loudness differ, or the other is sound again', () => {
    const own = verdict(100, 0.5);
    const lines = new TravellingLines();
    const untold = () => expect(lines.tell(own, place('m.a', 1))).toBe(own);
    lines.tell(verdict(100, 5), place('other.a', 1, 'other'));
    untold();
    for (const other of [
      verdict(103, 5),
      verdict(100, 5, 'inner'),
      verdict(100, 5, 'unbalance'),
      verdict(100, 0.7),
    ]) {
      lines.tell(other, { ...place('pump-1.b', 1) });
      untold();
    }
    lines.tell(verdict(100, 5), { ...place('pump-1.b', 1), unit: 'mm/s' });
    untold();
    lines.tell(verdict(100, 5), place('pump-1.b', undefined));
    untold();
    lines.tell(verdict(100, 5), place('pump-1.b', 1));
    expect(lines.tell(own, place('m.a', 1)).sentence).toBe(
      'A fault. The same line is 10.0 times as strong at pump-1.b: look there first.',
    );
    lines.forget('pump-1.b');
    untold();
  });
});
