import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';

const BUNDLED = resolve(import.meta.dirname, '../../models');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sm-edge-models-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const models = (...args: string[]) => smEdge(['models', ...args]);

describe('sm-edge models', () => {
  it('lists the bundled models', async () => {
    const { code, stdout, stderr } = await models('list', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      models: [
        ['milling-failure', 'classification'],
        ['vibration-anomaly', 'anomaly'],
      ].map(([name, task]) => ({
        name,
        version: expect.any(String),
        task,
        threshold: expect.any(Number),
        states: [],
        origin: 'bundled',
        dir: expect.stringContaining(BUNDLED),
      })),
      broken: [],
    });
    expect((await models('list')).stdout).toMatch(/^vibration-anomaly\/\d+ +anomaly +bundled /m);
  });

  it('lists the thresholds of operating states', async () => {
    cpSync(join(BUNDLED, 'vibration-anomaly', '1'), join(dir, 'vibration-anomaly', '9'), { recursive: true });
    const file = join(dir, 'vibration-anomaly', '9', 'manifest.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    manifest.version = '9';
    manifest.threshold.states = { full: { value: 0.7, samples: 5000 } };
    manifest.training.states = { full: { samples: 5000 }, idle: { samples: 12 } };
    writeFileSync(file, JSON.stringify(manifest));
    expect((await models('list', '--dir', dir)).stdout).toContain('limit 1 (full 0.7, idle thin: 1)');
    const { models: found } = JSON.parse((await models('list', '--dir', dir, '--json')).stdout);
    expect(found.find(({ version }: { version: string }) => version === '9').states).toEqual([
      { state: 'full', threshold: 0.7, isOwn: true, samples: 5000 },
      { state: 'idle', threshold: 1, isOwn: false, samples: 12 },
    ]);
  });

  it('verifies the bundled models', async () => {
    const { code, stdout } = await models('verify', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({ model: expect.stringMatching(/^milling-failure\//), ok: true }),
      expect.objectContaining({ model: expect.stringMatching(/^vibration-anomaly\//), ok: true }),
    ]);
  });

  it('finds a corrupt ONNX file: one clear line and exit code 1', async () => {
    cpSync(BUNDLED, dir, { recursive: true });
    const file = join(dir, 'vibration-anomaly', '1', 'model.onnx');
    const bytes = readFileSync(file);
    bytes[100]! ^= 0xff;
    writeFileSync(file, bytes);
    const { code, stdout, stderr } = await models('verify', '--dir', dir);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/^BAD {2}vibration-anomaly\/1: .*sha256.*\n$/m);
    const json = await models('verify', '--dir', dir, '--json');
    expect(json).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual([
      expect.objectContaining({ ok: true }),
      expect.objectContaining({ ok: false, code: 'MODEL_CHECKSUM' }),
    ]);
  });

  it('tells a broken manifest from a broken model, and keeps to the models that are whole', async () => {
    cpSync(BUNDLED, dir, { recursive: true });
    writeFileSync(join(dir, 'vibration-anomaly', '1', 'manifest.json'), '{ "name": ');
    const { code, stdout } = await models('list', '--dir', dir, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      models: [{ name: 'milling-failure' }, { name: 'vibration-anomaly', origin: 'bundled' }],
      broken: [{ dir: join(dir, 'vibration-anomaly', '1'), code: 'MODEL_MANIFEST' }],
    });
    expect((await models('verify', '--dir', dir)).code).toBe(1);
  });

  it('does not take a folder that is missing for one where all is well', async () => {
    const { code, stdout, stderr } = await models('verify', '--dir', join(dir, 'none'));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/there is no folder .*none\n {4}hint: /);
  });

  it('ends with 2 on wrong usage', async () => {
    expect((await models()).code).toBe(2);
    const unknown = await models('verfy');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('verify');
  });
});
