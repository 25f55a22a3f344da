import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';
import { SMALL_SET_RATE_HZ, writeSmallSet } from '../support/small-set.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-explain-'));
  writeSmallSet(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const about = [
  '--rate',
  String(SMALL_SET_RATE_HZ),
  '--full-scale',
  '4',
  '--speed',
  '1794',
  '--bearing',
  '6205',
];

it('sm-edge explain: shares that sum to the score minus the base, the nearest known cases, and the physics', async () => {
  const file = join(folder, 'faulted.wav');
  const { code, stdout, stderr } = await smEdge(['explain', file, ...about, '--against', folder, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const answer = JSON.parse(stdout);
  expect(answer).toMatchObject({
    model: 'vibration-anomaly/1',
    diagnosis: { fault: 'outer' },
  });
  const sum = answer.features.reduce(
    (total: number, { contribution }: { contribution: number }) => total + contribution,
    0,
  );
  expect(Math.abs(sum - (answer.score - answer.base))).toBeLessThan(1e-3);
  // The recording itself is no known case of itself.
  expect(answer.nearest).toEqual([expect.objectContaining({ label: 'normal' })]);
  expect(answer.sentence).toMatch(/the physics of its vibration says outer/);

  const plain = await smEdge(['explain', join(folder, 'a.wav'), ...about]);
  expect(plain).toMatchObject({ code: 0, stdout: expect.stringContaining('a.wav: normal') });
  expect(plain.stdout).toContain('from the usual');
});

it('sm-edge explain: a model that does not fit is refused with the difference', async () => {
  const refused = await smEdge(['explain', join(folder, 'a.wav'), '--rate', '4000']);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/sampleRateHz: needs 10000 to 51200 Hz, has 4000 Hz/),
  });
  expect(await smEdge(['explain', join(folder, 'a.wav'), '--model', 'nobody'])).toMatchObject({ code: 1 });
});
