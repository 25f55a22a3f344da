import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { resampleByAngle } from '#sm/features/angular-resampling.js';
import { loadFft } from '#sm/features/fft.js';
import { fm0, fm4, na4, residualSignal, residualVariance, synchronousAverage } from '#sm/features/gear.js';
import { angleFromMesh } from '#sm/features/mesh-angle.js';
import { orderSpectrum } from '#sm/features/order-spectrum.js';
import { angleAtSpeed, angleFromPulses, meanSpeedHz, pulseTimes } from '#sm/features/shaft-angle.js';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64')).buffer;

describe('angular resampling', () => {
  const reference = JSON.parse(
    readFileSync(new URL('../fixtures/reference/angular.json', import.meta.url), 'utf8'),
  ) as Record<'samples' | 'pulsesS' | 'resampled' | 'averageTurn', string> &
    Record<'sampleRateHz' | 'samplesPerTurn' | 'orderAmplitude5', number>;
  const { sampleRateHz, samplesPerTurn } = reference;
  const samples = new Float32Array(bytes(reference.samples));
  const angle = angleFromPulses(new Float64Array(bytes(reference.pulsesS)));
  const turned = resampleByAngle(samples, sampleRateHz, angle, samplesPerTurn);

  it('gives the same numbers as scipy', () => {
    const expected = new Float64Array(bytes(reference.resampled));
    expect(turned.length).toBe(expected.length);
    for (let i = 0; i < expected.length; i++) expect(Math.abs(turned[i]! - expected[i]!)).toBeLessThan(1e-6);
    const turn = synchronousAverage(turned, samplesPerTurn);
    new Float64Array(bytes(reference.averageTurn)).forEach((value, i) => {
      expect(Math.abs(turn[i]! - value)).toBeLessThan(1e-6);
    });
  });

  it('keeps an order in its place while the speed goes up by half', async () => {
    const spectrum = orderSpectrum(await loadFft(), turned, samplesPerTurn)!;
    let top = 1;
    for (let k = 1; k < spectrum.amplitude.length; k++)
      if (spectrum.amplitude[k]! > spectrum.amplitude[top]!) top = k;
    expect(top * spectrum.binOrder).toBeCloseTo(5, 1);
    expect(reference.orderAmplitude5).toBeGreaterThan(0.9);
    expect(spectrum.amplitude[top]!).toBeGreaterThan(0.85);
  });
});

describe('a tachometer', () => {
  const rate = 10_000;
  const signal = (shaftHz: number, width: number, noise: number) => {
    const random = seededRandom(3);
    return Float32Array.from({ length: 20_000 }, (_, i) => {
      const turn = (i * shaftHz) / rate + 0.5;
      return (turn - Math.floor(turn) < width ? 5 : 0) + noise * gaussian(random);
    });
  };

  it.each([
    [24.7, 0.5, 0.05],
    [24.7, 0.01, 0.1],
    [3.1, 0.002, 0.05],
  ])('at %d Hz with pulses of %d of a turn', (shaftHz, width, noise) => {
    const times = pulseTimes(signal(shaftHz, width, noise), rate);
    expect(Math.abs(times.length - 2 * shaftHz)).toBeLessThan(1.5);
    expect(meanSpeedHz(angleFromPulses(times))).toBeCloseTo(shaftHz, 1);
  });

  it('without pulses is an error with a hint', () => {
    expect(() => angleFromPulses(pulseTimes(new Float32Array(1000), rate))).toThrow(/do not tell a speed/);
    expect(() => angleFromPulses([1, 2, 2])).toThrow(/not later/);
  });
});

describe('the teeth of a gear', () => {
  const teeth = 21;
  const samplesPerTurn = 256;
  const turnsOf = (damage: number, noise: number) => {
    const random = seededRandom(9);
    return Float32Array.from({ length: 64 * samplesPerTurn }, (_, i) => {
      const turn = i / samplesPerTurn;
      const away = Math.abs(turn - Math.floor(turn) - 0.5) * teeth;
      const swell = away < 1 ? damage * (0.5 + 0.5 * Math.cos(Math.PI * away)) : 0;
      return (1 + swell) * Math.sin(2 * Math.PI * teeth * turn) + noise * gaussian(random);
    });
  };

  it('sound: FM0 is two, FM4 three', () => {
    const turn = synchronousAverage(turnsOf(0, 0.2), samplesPerTurn);
    expect(fm0(turn, teeth)).toBeGreaterThan(1.9);
    expect(fm0(turn, teeth)).toBeLessThan(2.4);
    expect(fm4(turn, teeth)).toBeGreaterThan(2.2);
    expect(fm4(turn, teeth)).toBeLessThan(4);
  });

  it('one of them damaged: FM0, FM4 and NA4 say so', () => {
    const sound = residualVariance(
      residualSignal(synchronousAverage(turnsOf(0, 0.2), samplesPerTurn), teeth),
    );
    const turn = synchronousAverage(turnsOf(1, 0.2), samplesPerTurn);
    expect(fm0(turn, teeth)).toBeGreaterThan(2.8);
    expect(fm4(turn, teeth)).toBeGreaterThan(6);
    const residual = residualSignal(turn, teeth);
    const variance = residualVariance(residual);
    expect(na4(residual, [sound, sound, variance])).toBeGreaterThan(na4(residual, [variance]));
  });

  it('tell the angle of a shaft whose speed wanders', async () => {
    const rate = 20_000;
    const turns: number[] = [];
    const samples = Float32Array.from({ length: 60_000 }, (_, i) => {
      const t = i / rate;
      const turn = 24 * t + (0.1 / (2 * Math.PI * 0.7)) * Math.sin(2 * Math.PI * 0.7 * t);
      turns.push(turn);
      return Math.sin(2 * Math.PI * teeth * turn) + 0.3 * Math.sin(2 * Math.PI * 50 * t);
    });
    const angle = angleFromMesh(await loadFft(), samples, rate, 24.05, teeth)!;
    const offset = angle.turns[0]! - turns[Math.round(angle.timesS[0]! * rate)]!;
    for (let i = 0; i < angle.turns.length; i += 50) {
      const truth = turns[Math.round(angle.timesS[i]! * rate)]!;
      expect(Math.abs(angle.turns[i]! - truth - offset)).toBeLessThan(0.01);
    }
    expect(meanSpeedHz(angleAtSpeed(24, 3))).toBeCloseTo(24, 9);
  });
});
