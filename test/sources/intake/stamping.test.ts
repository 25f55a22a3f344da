import { describe, expect, it } from 'vitest';
import { ManualClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { SteadyClock } from '#sm/base/steady-clock.js';
import type { Reading } from '#sm/signals/reading.js';
import type { SampleBlock } from '#sm/signals/sample-block.js';
import { Intake } from '#sm/sources/intake/intake.js';
import { serialConfigSchema } from '#sm/sources/serial/config.js';

const START = Date.UTC(2026, 5, 1);

/** The door of a source with a clock that is moved by hand, and all that went through it. */
function door(more: object) {
  const clock = new ManualClock(START);
  const metrics = new Metrics();
  const readings: Reading[] = [];
  const blocks: SampleBlock[] = [];
  const config = serialConfigSchema.parse({
    id: 's',
    type: 'serial',
    path: '/dev/ttyS0',
    framing: { kind: 'line' },
    messages: [{ point: 'm.x', payload: { kind: 'number', unit: 'A' } }],
    ...more,
  });
  const intake = new Intake(
    config,
    {
      source: 's',
      clock: new SteadyClock(clock),
      random: seededRandom(1),
      metrics,
      sink: {
        analyse: async (batch) => {
          readings.push(...(batch.readings ?? []));
          blocks.push(...(batch.blocks ?? []));
        },
        pressure: () => 0,
        store: async () => undefined,
      },
    },
    false,
  );
  const read = (value: number, timeMs = clock.nowMs(), point = 'm.x') => {
    intake.offer({ readings: [{ point, timeMs, value, unit: 'A', quality: 'good' }] });
    return readings.at(-1)!;
  };
  const wave = (startTimeMs: number, count = 100) => {
    const samples = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7) + 0.001 * i);
    intake.offer({
      blocks: [{ point: 'm.p.a', startTimeMs, sampleRateHz: 1000, unit: 'g', samples, quality: 'good' }],
    });
    return blocks.at(-1)!;
  };
  const metric = async (name: string) =>
    (await metrics.registry.getSingleMetric(name)?.get())?.values[0]?.value;
  return { clock, intake, readings, read, wave, metric };
}

describe('whose time a value carries', () => {
  it("is the device's by default, and how far it is off is shown", async () => {
    const { read, intake, metric } = door({});
    for (let i = 0; i < 100; i++) read(i, START - 5_000);
    expect(read(1, START - 5_000)).toMatchObject({ timeMs: START - 5_000, quality: 'good' });
    intake.watch();
    expect(await metric('sm_edge_source_clock_skew_seconds')).toBeCloseTo(-5, 1);
  });

  it('is that of arrival where the config says so, in order and never twice', () => {
    const { read } = door({ timestamps: { from: 'arrival' } });
    expect(read(1, START - 3_600_000).timeMs).toBe(START);
    const second = read(2, START - 3_600_000);
    expect(second.timeMs).toBeGreaterThan(START);
    expect(second.timeMs).toBeLessThan(START + 1);
    expect(second.quality).toBe('good');
  });

  it("is the device's while both agree, and that of arrival where they do not", async () => {
    const { read, metric } = door({ timestamps: { from: 'both', maxSkew: '10s' } });
    expect(read(1, START - 8_000)).toMatchObject({ timeMs: START - 8_000, quality: 'good' });
    expect(read(2, START - 12_000)).toMatchObject({
      timeMs: START,
      quality: 'uncertain',
      reason: 'clock-unsynchronised',
    });
    expect(read(3, START + 86_400_000).timeMs).toBeLessThan(START + 1);
    expect(await metric('sm_edge_source_times_corrected_total')).toBe(2);
  });

  it('lays waveforms end to end, however unevenly they arrive', () => {
    const { wave, clock } = door({ timestamps: { from: 'arrival' } });
    const random = seededRandom(7);
    let last: SampleBlock | undefined;
    let arrivedMs = 0;
    for (let i = 1; i <= 200; i++) {
      // Blocks of 100 ms whose arrival jitters by up to 60 ms.
      const dueMs = i * 100 + 60 * random();
      clock.advance(dueMs - arrivedMs);
      arrivedMs = dueMs;
      const block = wave(0);
      if (last !== undefined) {
        const gapMs = block.startTimeMs - last.startTimeMs - 100;
        expect(Math.abs(gapMs)).toBeLessThan(5);
      }
      last = block;
    }
    // It stays with the arrival over time.
    expect(Math.abs(last!.startTimeMs + 100 - clock.nowMs())).toBeLessThan(60);
    // A pause is a pause.
    clock.advance(5_000);
    expect(Math.abs(wave(0).startTimeMs - (clock.nowMs() - 100))).toBeLessThan(1e-6);
  });
});

describe('a point that falls silent', () => {
  const quality = [{ points: ['m.x', 'm.never'], silence: '10s' }];

  it('is told, its last value declared bad once, and good again when it is heard', () => {
    const { read, clock, intake, readings } = door({ quality });
    read(4.5);
    clock.advance(9_000);
    intake.watch();
    expect(intake.troubles).toEqual([]);
    clock.advance(2_000);
    intake.watch();
    intake.watch();
    expect(readings).toHaveLength(2);
    expect(readings[1]).toMatchObject({
      point: 'm.x',
      timeMs: START + 11_000,
      value: Number.NaN,
      unit: 'A',
      quality: 'bad',
      reason: 'timeout',
    });
    expect(intake.troubles.map(({ point, reason, text }) => [point, reason, text])).toEqual([
      ['m.never', 'timeout', 'not heard since the start, 11 s ago'],
      ['m.x', 'timeout', 'not heard for 11 s'],
    ]);
    expect(read(4.6).quality).toBe('good');
    expect(intake.troubles.map(({ point }) => point)).toEqual(['m.never']);
  });

  it('is no matter where nothing was said of it', () => {
    const { read, clock, intake, readings } = door({ quality });
    read(1, START, 'm.other');
    clock.advance(3_600_000);
    intake.watch();
    expect(readings.filter(({ point }) => point === 'm.other')).toHaveLength(1);
  });
});
