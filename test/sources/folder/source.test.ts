import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { encodeWav } from '#sm/signals/wav.js';
import { filePattern } from '#sm/sources/folder/file-pattern.js';
import { folderPart } from '#sm/sources/folder/index.js';
import { isState, memory, type Running, run, until } from '../support.js';

let folder: string;
const open: Running[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-folder-'));
});
afterEach(async () => {
  for (const { source } of open.splice(0)) await source.stop();
  rmSync(folder, { recursive: true, force: true });
});

const FILES = [
  {
    kind: 'wav',
    match: '{machine}_{position}_{time}.wav',
    point: '{machine}.{position}.{channel}',
    channels: ['x', 'y'],
    unit: 'g',
    fullScale: 16,
  },
  {
    kind: 'table',
    match: '*.csv',
    separator: ';',
    time: { column: 'Time', format: 'yyyy-MM-dd HH:mm:ss' },
    points: [
      { column: 'T1', point: 'oven.temperature', unit: 'degC' },
      { column: 'P', point: 'oven.pressure', unit: 'bar' },
    ],
  },
  {
    kind: 'payload',
    match: '{machine}-*.json',
    point: '{machine}.current',
    payload: { kind: 'json', value: '$.amps', time: { path: '$.at', unit: 's' }, unit: 'A' },
  },
];

const watch = async (config = {}, more = {}): Promise<Running> => {
  const one = await run(
    folderPart,
    { path: folder, interval: '50ms', settle: '0ms', files: FILES, ...config },
    more,
  );
  open.push(one);
  return one;
};
const put = (name: string, content: Buffer | string): void => {
  writeFileSync(path.join(folder, `.${name}.tmp`), content);
  renameSync(path.join(folder, `.${name}.tmp`), path.join(folder, name));
};

const samples = Float32Array.from({ length: 2 * 70_000 }, (_, i) => Math.sin(i / 7) / 2);
const WAV = encodeWav({ sampleRateHz: 20_000, channels: 2, samples });
const TABLE = 'Time;T1;P\n2026-05-01 12:00:00;180.5;1.2\n2026-05-01 12:00:01;;1.3\n';

describe('a folder of files', () => {
  it('takes recordings, tables and messages, and moves them away', async () => {
    const one = await watch();
    put('pump-1_de_20260501T120000Z.wav', WAV);
    put('a.csv', TABLE);
    put('fan-2-17.json', '{"amps": 12.5, "at": 1777636800}');
    put('notes.txt', 'not ours');
    await until(() => expect(readdirSync(path.join(folder, 'done'))).toHaveLength(3));
    const x = one.blocks.filter(({ point }) => point === 'pump-1.de.x');
    expect(x.map(({ samples }) => samples.length)).toEqual([65_536, 4_464]);
    expect(x[0]).toMatchObject({ startTimeMs: Date.UTC(2026, 4, 1, 12), sampleRateHz: 20_000, unit: 'g' });
    expect(x[1]!.startTimeMs).toBeCloseTo(Date.UTC(2026, 4, 1, 12) + 65_536 / 20, 6);
    expect(x.flatMap(({ samples: own }) => [...own])).toEqual(
      [...samples.filter((_, i) => i % 2 === 0)].map((value) => Math.fround(value * 16)),
    );
    const readings = one.readings.map(({ point, value, quality }) => [point, value, quality]);
    expect(readings).toContainEqual(['oven.temperature', 180.5, 'good']);
    expect(readings).toContainEqual(['oven.temperature', Number.NaN, 'bad']);
    expect(readings).toContainEqual(['fan-2.current', 12.5, 'good']);
    expect(readdirSync(folder).sort()).toEqual(['done', 'notes.txt']);
    expect(await one.counter('sm_edge_folder_files_total', { outcome: 'stored' })).toBe(3);
    await isState(one.source, 'good');
  });

  it('leaves a file alone while it grows', async () => {
    // Time that goes by when the test says so; the source asks for it once for each look at the file.
    let nowMs = 0;
    let looks = 0;
    const monotonicMs = () => {
      looks++;
      return nowMs;
    };
    const one = await watch({ settle: '150ms' }, { clock: { ...systemClock, monotonicMs } });
    const file = path.join(folder, 'slow.csv');
    const lookedAt = async (passedMs: number) => {
      nowMs += passedMs;
      const before = looks;
      await until(() => expect(looks).toBeGreaterThan(before + 1));
    };
    writeFileSync(file, 'Time;T1;P\n');
    for (let line = 0; line < 20; line++) {
      appendFileSync(file, `2026-05-01 12:00:${String(line).padStart(2, '0')};${line};1\n`);
      await lookedAt(100);
      expect(one.readings).toEqual([]);
    }
    await lookedAt(149);
    expect(one.readings).toEqual([]);
    nowMs += 1;
    await until(() => expect(one.readings).toHaveLength(40));
  });

  it('takes what is kept once, over restarts too, and again when it was written anew', async () => {
    const remembered = { memory: memory() };
    const first = await watch({ after: 'keep' }, remembered);
    put('a.csv', TABLE);
    await until(() => expect(first.readings).toHaveLength(4));
    await first.source.stop();
    const second = await watch({ after: 'keep' }, remembered);
    put('b.csv', TABLE);
    await until(() => expect(second.readings).toHaveLength(4));
    put('a.csv', `${TABLE}2026-05-01 12:00:02;181;1.4\n`);
    await until(() => expect(second.readings).toHaveLength(10));
    expect(readdirSync(folder).sort()).toEqual(['a.csv', 'b.csv']);
  });

  it('gives the same values when a crash makes it read a file again', async () => {
    mkdirSync(path.join(folder, 'x'));
    const twice = [];
    for (let time = 0; time < 2; time++) {
      put('pump-1_de_1777636800.wav', WAV);
      const one = await watch();
      await until(() => expect(one.blocks).toHaveLength(4));
      await one.source.stop();
      twice.push(one.blocks.map(({ point, startTimeMs }) => [point, startTimeMs]));
    }
    expect(twice[0]).toEqual(twice[1]);
  });

  it('sets aside what cannot be used, says why, and goes on', async () => {
    const one = await watch();
    put('broken_de_1777636800.wav', 'RIFF but no more of it');
    put(
      'mono_de_1777636800.wav',
      encodeWav({ sampleRateHz: 8000, channels: 1, samples: new Float32Array(8) }),
    );
    await until(() => expect(readdirSync(path.join(folder, 'failed'))).toHaveLength(2));
    await isState(one.source, 'degraded');
    expect(one.source.status.reason).toMatch(/cannot be used/);
    expect(one.warnings).toHaveLength(2);
    put('a.csv', TABLE);
    await isState(one.source, 'good');
    expect(one.readings).toHaveLength(4);
  });

  it('waits for a store that is full', async () => {
    let full = 3;
    const stored: number[] = [];
    await watch(
      {},
      {
        sink: {
          offer: () => undefined,
          deliver: async ({ readings = [] }: { readings?: readonly unknown[] }) => {
            if (full-- > 0) throw new SmEdgeError('STORE_BUSY', 'busy', { retryable: true });
            stored.push(readings.length);
          },
        },
      },
    );
    put('a.csv', TABLE);
    await until(() => expect(stored).toEqual([4]));
  });

  it('comes back when its folder does', async () => {
    const one = await watch({ path: path.join(folder, 'usb') });
    await isState(one.source, 'failed');
    mkdirSync(path.join(folder, 'usb'));
    writeFileSync(path.join(folder, 'usb', 'a.csv'), TABLE);
    await until(() => expect(one.readings).toHaveLength(4));
    await isState(one.source, 'good');
  });
});

describe('what the name of a file says', () => {
  it.each([
    [
      '{machine}_{position}_{time}.wav',
      'pump-1_bearing-de_2026-05-01T12:00:00Z.wav',
      Date.UTC(2026, 4, 1, 12),
    ],
    [
      '{machine}_{position}_{time}.wav',
      'pump-1_bearing-de_20260501-120000.5.wav',
      Date.UTC(2026, 4, 1, 12) + 500,
    ],
    ['{machine}_{position}-{time}.wav', 'pump-1_bearing-de-1777636800000.wav', Date.UTC(2026, 4, 1, 12)],
    ['{machine}_{position}*.wav', 'pump-1_bearing-de (copy).wav', undefined],
  ])('%s: %s', (pattern, name, timeMs) => {
    expect(filePattern(pattern)(name)).toEqual({
      names: { machine: 'pump-1', position: 'bearing-de' },
      timeMs,
    });
  });

  it('is nothing where the pattern does not fit', () => {
    expect(filePattern('{machine}.wav')('a_b.wav')).toBeUndefined();
    expect(filePattern('a.wav')('axwav')).toBeUndefined();
  });

  it('is checked with the config', () => {
    const faults = (file: object) =>
      folderPart.configSchema
        .safeParse({ id: 'f', type: 'folder', path: '/x', files: [file] })
        .error?.issues.map(({ message }) => message)
        .join('; ') ?? '';
    expect(faults(FILES[0]!)).toBe('');
    expect(faults({ ...FILES[0], point: '{maschine}.x' })).toContain('{maschine}');
    expect(faults({ ...FILES[0], point: '{machine}.x' })).toContain('{channel}');
    expect(faults({ ...FILES[0], match: '{a}-{a}.wav' })).toContain('once');
    expect(faults({ ...FILES[1], time: { column: 'T', format: 'hh' } })).toContain('yyyy-MM-dd');
  });
});
