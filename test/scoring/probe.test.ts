import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { ModelFaults } from '#sm/pipeline/assessment/model-faults.js';
import { probeOnnx } from '#sm/scoring/probe.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { smEdge } from '../support/daemon.js';
import { linearModel, manifestOf, storedModel, writeModel } from './support.js';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-probe-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** A process that does this in place of trying onnxruntime. */
async function child(code: string): Promise<string> {
  const file = join(dir, 'child.mjs');
  await writeFile(file, code);
  return file;
}

describe('the probe of onnxruntime', () => {
  it('computes with it in a process of its own and tells version and providers', async () => {
    const { code, stdout } = await smEdge(['models', 'probe', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      providers: expect.arrayContaining(['cpu']),
      threads: 1,
    });
  });

  it.each([
    [
      'dies of an instruction that the processor lacks',
      `process.kill(process.pid, 'SIGILL');`,
      /lacks an instruction that it uses \(SIGILL\)/,
    ],
    ['does not find its library', `throw new Error('wrong ELF class');`, /died \(code 1\)/],
    [
      'computes wrongly',
      `process.send({ error: { code: 'ONNX_RUNTIME', message: 'a test graph gave 7', retryable: false } });`,
      /does not run here: a test graph gave 7/,
    ],
    ['does not end', 'setInterval(() => undefined, 1000);', /did not end within 700 ms/],
  ])('says so where it %s, and no model is tried in this process', async (_title, code, message) => {
    const probe = probeOnnx(systemClock, code.startsWith('setInterval') ? 700 : 200_000, await child(code));
    const found = await probe.result;
    if (found.ok) throw new Error('the probe found nothing wrong');
    expect(found.error).toMatchObject({ code: 'ONNX_RUNTIME', hint: expect.stringMatching(/baselines/) });
    expect(found.error.message).toMatch(message);

    const metrics = new Metrics();
    const scorer = new Scorer({ clock: systemClock, metrics, probe });
    const bytes = linearModel();
    const manifest = manifestOf(bytes);
    const model = storedModel(await writeModel(join(dir, 'linear', '1'), bytes, manifest), manifest);
    await expect(scorer.load(model)).rejects.toBe(found.error);
    expect(scorer.loaded).toEqual([]);
    await scorer.close();

    const faults = new ModelFaults({ clock: systemClock, logger: silentLogger, metrics });
    faults.runtime(found);
    faults.report(model.key, found.error);
    faults.reset([]);
    expect(faults.health()).toMatchObject({ part: 'models', state: 'degraded', reason: found.error.message });
    expect(await metrics.registry.metrics()).toContain('sm_edge_models_faults_total{code="ONNX_RUNTIME"} 1');
  });

  it('can be stopped', async () => {
    const probe = probeOnnx(systemClock, 200_000, await child('setInterval(() => undefined, 1000);'));
    probe.cancel();
    expect(await probe.result).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/stopped/) },
    });
  });
});
