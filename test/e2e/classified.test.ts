import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';
import { manifestOf, writeModel } from '../scoring/support.js';
import { eventually } from '../support/daemon.js';
import { PostedMachine } from '../support/machine-signal.js';
import { get, oneGateway } from '../support/one-gateway.js';

const POINT = 'pump-1.bearing-de.acceleration';

/** Logits of normal and loose: 0 and 20 (rms - 0.6). */
function looseness(): Uint8Array {
  const graph = new GraphWriter('looseness');
  const x = graph.input('x', ['rows', 1]);
  graph.node('MatMul', 'product', [x, graph.constant('weights', [0, 20], [1, 2])]);
  graph.node('Add', 'logits', ['product', graph.constant('bias', [0, -12])]);
  graph.output('logits', ['rows', 2]);
  return graph.finish();
}

it.each([
  ['a classification', { default: 'looseness' }],
  [
    'a classification among several models',
    { combine: 'mean', rules: [{ model: ['builtin', 'looseness'], for: { quantity: 'acceleration' } }] },
  ],
])('%s says its label and probabilities at the point, and in the event of an anomaly', async (_, models) => {
  const folder = mkdtempSync(join(tmpdir(), 'sm-edge-classified-'));
  const model = looseness();
  const manifest = manifestOf(model, {
    name: 'looseness',
    task: 'classification',
    signal: { quantities: ['acceleration'], unit: 'g' },
    inputs: { kind: 'features', tensor: 'x', features: ['rms'] },
    output: {
      kind: 'classes',
      tensor: 'logits',
      labels: ['normal', 'loose'],
      healthy: ['normal'],
      activation: 'softmax',
      meaning: 'is it loose',
    },
    threshold: { value: 0.5, method: 'more likely than not' },
    golden: { vectors: [{ input: [0.6], output: [0.5, 0.5] }] },
  });
  await writeModel(join(folder, 'models', 'looseness', '1'), model, manifest);
  const one = await oneGateway(
    {
      machines: [{ id: 'pump-1', class: 'pump' }],
      alarms: [{ id: 'odd', point: POINT, anomaly: true, priority: 'high' }],
      models,
    },
    folder,
  );
  const machine = new PostedMachine(POINT, Date.now() - 3_600_000);
  await machine.run(one, 30);
  const healthy = await eventually('the point is classified', async () => {
    const point = await get(one, `points/${POINT}`);
    return point.label === undefined ? undefined : point;
  });
  expect(healthy.label).toBe('normal');
  expect(healthy.probabilities.normal).toBeGreaterThan(0.9);

  machine.level = 4;
  for (let turn = 0; turn < 60; turn++) {
    await machine.run(one, 1);
    if ((await get(one, `events?type=AnomalyDetected&point=${POINT}`)).events.length > 0) break;
  }
  const [seen] = (await get(one, `events?type=AnomalyDetected&point=${POINT}`)).events;
  // The baseline of the point is the worse one: the level is four times what is usual.
  expect(seen.payload).toMatchObject({ model: 'baseline', label: 'loose', saidBy: 'looseness' });
  expect(seen.payload.probabilities.loose).toBeGreaterThan(0.9);
  expect(seen.payload.probabilities.loose + seen.payload.probabilities.normal).toBeCloseTo(1, 6);
  expect(seen.payload.message).toContain('The model takes it for loose');
});
