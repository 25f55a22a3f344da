import { describe, expect, it } from 'vitest';
import { renderDemo } from '#sm/cli/demo-screen.js';
import type { AlarmView, GatewaySnapshot, PointView } from '#sm/pipeline/machines/snapshot.js';

const NOW = 1_700_000_000_000;

const point = (name: string, unit: string, rest: Partial<PointView> = {}): PointView => ({
  point: name,
  unit,
  value: 12.345,
  timeMs: NOW,
  score: 1,
  threshold: 6,
  diagnosis: undefined,
  quality: 'good',
  reason: undefined,
  sampleRateHz: undefined,
  ...rest,
});

const alarm = (name: string, severity: string, agoMs: number): AlarmView => ({
  alarm: 'anomaly',
  point: name,
  state: 'unacknowledged',
  severity,
  message: `${name} behaves unusually. ${'Probably the outer race of the bearing has a defect. '.repeat(8)}`,
  sinceMs: NOW - agoMs,
});

function screen(alarms: readonly AlarmView[], rows?: number): string[] {
  const snapshot: GatewaySnapshot = {
    timeMs: NOW,
    sources: [],
    learning: [],
    machines: [
      {
        id: 'pump-1',
        class: 'pump',
        health: 0.03,
        points: [
          point('pump-1.bearing-de.acceleration', 'g rms', { score: 30, diagnosis: 'outer' }),
          point('pump-1.motor.current', 'A'),
          point('pump-1.outlet.pressure', 'bar', { score: 9 }),
          point('pump-1.shaft.speed', 'rpm'),
        ],
      },
    ],
    alarms,
  };
  const state = { snapshot, elapsedMs: 65_000, faultAfterMs: 60_000, url: 'http://127.0.0.1:8080' };
  const text = renderDemo({
    ...state,
    dataDir: `/tmp/${'long/'.repeat(40)}`,
    ...(rows === undefined ? {} : { rows }),
  });
  return text.split('\n');
}

describe('the screen of the demo', () => {
  it.each([12, 18, 24, 50])('fits a terminal of 80 columns and %i lines', (rows) => {
    const alarms = Array.from({ length: 30 }, (_, n) => alarm(`m-${n}.casing.acceleration`, 'medium', n));
    for (const some of [[], alarms.slice(0, 1), alarms.slice(0, 3), alarms]) {
      const lines = screen(some, rows);
      expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 14));
      for (const line of lines) expect(line.length).toBeLessThan(80);
    }
  });

  it('names every alarm that has room, the most urgent first and then the oldest, and counts the others', () => {
    const alarms = [alarm('a.b', 'low', 9_000), alarm('c.d', 'high', 1_000), alarm('e.f', 'high', 63_000)];
    const heads = (lines: readonly string[]) => lines.filter((line) => /^ {2}(LOW|HIGH)/.test(line));
    expect(heads(screen(alarms)).map((line) => line.trim().split(/\s+/)[1])).toEqual(['e.f', 'c.d', 'a.b']);
    expect(screen(alarms)).toContain('  HIGH     e.f  unacknowledged, for 1:03 min');
    const fixed = screen([]).length - 1;
    const small = screen(alarms, fixed + 2);
    expect(heads(small)).toHaveLength(1);
    expect(small).toContain('  and 2 more');
    // A line that is left tells of the first alarm, and shows that there is more.
    expect(
      screen(alarms, fixed + 4).find((line) => line.endsWith('…') && line.includes('e.f')),
    ).toBeDefined();
  });

  it('gives waveforms and unusual values a line of their own, and puts the others two in one', () => {
    const lines = screen([]);
    expect(lines.find((line) => line.includes('bearing-de.acceleration'))).toMatch(/score 30\.0 .*outer$/);
    expect(lines.find((line) => line.includes('outlet.pressure'))).toMatch(/score 9\.0/);
    expect(lines.find((line) => line.includes('motor.current'))).toContain('shaft.speed');
  });
});
