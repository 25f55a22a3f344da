import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';
import { SMALL_SET_RATE_HZ, writeSmallSet } from '../support/small-set.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-features-'));
  writeSmallSet(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const features = (file: string, ...options: string[]) => smEdge(['features', join(folder, file), ...options]);

describe('sm-edge features', () => {
  it('gives the features of blocks as one JSON document, the same each time', async () => {
    const options = [
      '--full-scale',
      '4',
      '--speed',
      '1794',
      '--bearing',
      '6205',
      '--block',
      '16384',
      '--json',
    ];
    const { code, stdout, stderr } = await features('faulted.wav', ...options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answer = JSON.parse(stdout);
    expect(Object.keys(answer)).toEqual(['file', 'sampleRateHz', 'blocks', 'diagnosis']);
    expect(answer).toMatchObject({
      file: join(folder, 'faulted.wav'),
      sampleRateHz: SMALL_SET_RATE_HZ,
      diagnosis: { fault: 'outer', confidence: expect.any(Number), evidence: expect.any(Array) },
    });
    const offsets = answer.blocks.map(({ offsetS }: { offsetS: number }) => offsetS);
    expect(offsets).toEqual([0, 16_384 / SMALL_SET_RATE_HZ]);
    for (const name of ['rms', 'kurtosis', 'velocityRmsMmPerS', 'order.1x', 'bpfo', 'bpfi', 'bsf', 'ftf'])
      expect(answer.blocks[0].features[name]).toBeTypeOf('number');
    expect((await features('faulted.wav', ...options)).stdout).toBe(stdout);
  });

  it('takes the whole file as one block, and leaves out what it cannot compute', async () => {
    const { stdout } = await features('a.wav', '--json');
    const { blocks } = JSON.parse(stdout);
    expect(blocks).toHaveLength(1);
    for (const name of ['bpfo', 'order.1x']) expect(blocks[0].features).not.toHaveProperty([name]);
  });

  it('scales the samples', async () => {
    const rmsOf = async (...options: string[]) =>
      JSON.parse((await features('a.wav', '--json', ...options)).stdout).blocks[0].features.rms;
    expect(await rmsOf('--full-scale', '4')).toBeCloseTo(4 * (await rmsOf()), 5);
  });

  it('reads raw samples and CSV, told the rate', async () => {
    const samples = Float32Array.from({ length: 4_096 }, (_, i) => Math.sin(i / 10));
    writeFileSync(join(folder, 'raw.f32'), Buffer.from(samples.buffer));
    writeFileSync(join(folder, 'text.csv'), `x\n${[...samples].join('\n')}\n`);
    for (const file of ['raw.f32', 'text.csv']) {
      const { code, stdout } = await features(file, '--rate', '1000', '--json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout).blocks[0].features.rms).toBeCloseTo(Math.SQRT1_2, 2);
      const without = await features(file);
      expect(without.code).toBe(1);
      expect(without.stderr).toContain('--rate');
    }
  });

  it('prints a table for a person', async () => {
    const { stdout } = await features('faulted.wav', '--speed', '1794', '--bearing', '6205');
    expect(stdout).toMatch(/^ {2}kurtosis +\d/m);
    expect(stdout).toMatch(/^diagnosis: outer \(confidence \d+ %\)$/m);
  });

  it('ends a truncated file with one clear error and exit code 1', async () => {
    truncateSync(join(folder, 'a.wav'), 1_000);
    const { code, stdout, stderr } = await features('a.wav');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^sm-edge: .*a\.wav is not whole: 160000 bytes of samples are announced, \d+ are there\n/,
    );
    expect(stderr).toContain('hint:');
    expect(stderr.split('\n')).toHaveLength(3);
    const json = await features('a.wav', '--json');
    expect(json).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'WAV_TRUNCATED' } });
  });

  it.each([
    ['a file that is not there', ['none.wav'], 1, 'cannot be opened'],
    ['a folder', ['.'], 1, 'is no file'],
    ['a bearing that nobody knows', ['a.wav', '--bearing', 'none'], 1, 'no geometry known'],
    ['a block longer than the file', ['a.wav', '--block', '999999'], 1, 'does not fit'],
    ['a speed that is no number', ['a.wav', '--speed', 'fast'], 2, '--speed fast'],
    ['an unknown option', ['a.wav', '--sped', '5'], 2, '--speed'],
  ] as const)('refuses %s', async (_what, [file, ...options], code, text) => {
    const answer = await features(file, ...options);
    expect(answer.code).toBe(code);
    expect(answer.stdout).toBe('');
    expect(answer.stderr).toContain(text);
    expect(answer.stderr).not.toContain('    at ');
  });
});
