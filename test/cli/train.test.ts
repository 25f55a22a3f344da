import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { smEdge } from '../support/daemon.js';
import { writeHealthySet } from '../support/healthy-set.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-train-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('sm-edge train learns a model that models verify lets in, and never replaces a version', async () => {
  const random = seededRandom(8);
  writeHealthySet(folder, () => gaussian(random));
  const args = ['train', folder, '--name', 'pump-de', '--out', join(folder, 'models'), '--json'];
  const { code, stdout, stderr } = await smEdge(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const answer = JSON.parse(stdout);
  expect(answer).toMatchObject({ model: 'pump-de/1', rows: 80 });
  expect(answer.trials).toHaveLength(5);
  const manifest = JSON.parse(readFileSync(join(answer.folder, 'manifest.json'), 'utf8'));
  expect(manifest.signal).toMatchObject({ quantities: ['acceleration'], unit: 'g' });
  const verified = await smEdge(['models', 'verify', '--dir', join(folder, 'models'), '--json']);
  expect(JSON.parse(verified.stdout)).toContainEqual(
    expect.objectContaining({ model: 'pump-de/1', ok: true }),
  );

  expect(await smEdge(args)).toMatchObject({ code: 1, stdout: expect.stringContaining('MODEL_EXISTS') });
  const wrong = await smEdge(['train', folder, '--name', '../up']);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--name') });
  const point = await smEdge(['train', folder, '--point', 'nowhere', '--name', 'x']);
  expect(point).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Name one with --point: pump.de.acceleration'),
  });
});
