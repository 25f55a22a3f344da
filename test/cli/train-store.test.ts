import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';
import {
  featureRows,
  labelled,
  POINT,
  raised,
  returned,
  WINDOW_MS,
  writeFeatures,
} from '../support/history.js';
import { StoreFolder } from '../support/store.js';

const START_MS = Math.floor(Date.now() / 1000) * 1000 - 2 * 3_600_000;
const at = (window: number) => START_MS + window * WINDOW_MS;

it('sm-edge train --data learns the healthy hours of a point while the store is open for writing', async () => {
  const made = await StoreFolder.create();
  const store = await made.open();
  // A false alarm at 800, a true one at 1500 in which the machine was three times as loud.
  const rows = featureRows(POINT, START_MS, 2400, (i) => (i >= 1500 && i < 1700 ? 3 : 1));
  await writeFeatures(store, rows);
  await store.write({
    events: [
      raised('odd', POINT, at(800)),
      returned('odd', POINT, at(900)),
      labelled('odd', POINT, at(800), false),
      raised('odd', POINT, at(1502)),
      returned('odd', POINT, at(1705)),
      labelled('odd', POINT, at(1502), true, 'outer race'),
    ],
  });
  const out = join(made.folder, 'out');
  const args = ['train', '--data', made.folder, '--point', POINT, '--out', out, '--json'];

  const tooLittle = await smEdge([...args, '--hours', '24']);
  expect(tooLittle).toMatchObject({ code: 1, stdout: expect.stringContaining('TRAINING_TOO_FEW') });
  expect(tooLittle.stdout).toContain('since a true alarm stood');

  const { code, stdout, stderr } = await smEdge([...args, '--hours', '0.5']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const answer = JSON.parse(stdout);
  // From two minutes before the true alarm to its end, both ends included.
  expect(answer).toMatchObject({ model: 'learned-pump-1-bearing-de-acceleration/1', rows: 2400 - 325 });
  const manifest = JSON.parse(readFileSync(join(answer.folder, 'manifest.json'), 'utf8'));
  expect(manifest.signal).toEqual({
    quantities: ['acceleration'],
    unit: 'g',
    sampleRateHz: { min: 8028.16, max: 8355.84 },
    window: { minSamples: 8192 },
  });
  // The loud windows would have stretched its upper tenth far beyond this.
  const edges = manifest.training.histograms.rms.edges;
  expect(edges.at(-1)).toBeLessThan(1.5);
  const nowhere = await smEdge(['train', '--data', join(made.folder, 'none'), '--point', POINT]);
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no store') });
  expect(await smEdge(['train', '--data', made.folder])).toMatchObject({ code: 2 });
  expect(await smEdge(['train'])).toMatchObject({ code: 2 });
});

it('a machine in zone D of ISO 20816-3 is not learned unless a person vouches for it', async () => {
  const made = await StoreFolder.create();
  const store = await made.open();
  await writeFeatures(
    store,
    featureRows(POINT, START_MS, 400, () => 8),
  );
  const config = join(made.folder, 'gateway.yaml');
  writeFileSync(
    config,
    `gateway: { id: gw-1 }
storage: { path: ${made.folder} }
machines: [{ id: pump-1, class: pump, nameplate: { powerKw: 37, mounting: rigid } }]
`,
  );
  const out = join(made.folder, 'out');
  const args = ['train', '--config', config, '--point', POINT, '--hours', '0.1', '--out', out, '--json'];
  const refused = await smEdge(args);
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('MACHINE_NOT_HEALTHY') });
  // Vouched for, only the time is too little.
  const vouched = await smEdge([...args, '--vouch', '--hours', '99']);
  expect(vouched).toMatchObject({ code: 1, stdout: expect.stringContaining('TRAINING_TOO_FEW') });
});
