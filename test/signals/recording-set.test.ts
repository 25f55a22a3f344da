import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { encodeWav } from '#sm/signals/wav.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-set-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, content: string | Buffer) => writeFileSync(path.join(folder, name), content);
const manifest = (content: object) =>
  put('manifest.json', JSON.stringify({ format: 'recording-set/1', name: 'test', ...content }));

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const ramp = Float32Array.from({ length: 12 }, (_, i) => i / 16);

describe('recordings', () => {
  it('are calibrated and cut into their snapshots', async () => {
    put('a.wav', encodeWav({ sampleRateHz: 1000, channels: 1, samples: ramp }, 'pcm16'));
    manifest({
      extra: 'owners add their own keys',
      bearings: { DE: { model: '6205', balls: 9, ballDiameterMm: 7.94, pitchDiameterMm: 39.04 } },
      recordings: [
        {
          file: 'a.wav',
          point: 'rig.de.acceleration',
          unit: 'g',
          fullScale: 4,
          startedAt: '2024-05-01T10:00:00Z',
          bearing: 'DE',
          label: 'normal',
          snapshots: { samples: 4, offsetsS: [0, 60, 120.5] },
        },
      ],
    });
    const [recording] = await collect((await openRecordingSet(folder)).recordings());
    expect(recording!.quantity).toBe('acceleration');
    expect(recording!.sampleRateHz).toBe(1000);
    expect(recording!.bearing?.balls).toBe(9);
    expect(recording!.blocks.map((block) => block.offsetS)).toEqual([0, 60, 120.5]);
    expect(new Date(recording!.blocks[2]!.startTimeMs).toISOString()).toBe('2024-05-01T10:02:00.500Z');
    expect([...recording!.blocks[1]!.samples]).toEqual([1, 1.25, 1.5, 1.75]);
  });

  it.each([
    ['no manifest', undefined, 'RECORDING_SET_MISSING'],
    ['broken JSON', '{', 'RECORDING_SET_FORMAT'],
    ['another format', '{"format":"recording-set/2","name":"x"}', 'RECORDING_SET_FORMAT'],
    [
      'a bearing that is not there',
      '{"format":"recording-set/1","name":"x","recordings":[{"file":"a.wav","point":"m.q","bearing":"DE"}]}',
      'RECORDING_SET_FORMAT',
    ],
  ])('are refused with a hint: %s', async (_, content, code) => {
    if (content !== undefined) put('manifest.json', content);
    await expect(openRecordingSet(folder)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  it('never lead out of their folder', async () => {
    manifest({ recordings: [{ file: '../secret.wav', point: 'm.q' }] });
    await expect(collect((await openRecordingSet(folder)).recordings())).rejects.toMatchObject({
      code: 'RECORDING_SET_FORMAT',
    });
  });

  it('say when their snapshots do not fit', async () => {
    put('a.wav', encodeWav({ sampleRateHz: 1000, channels: 1, samples: ramp }));
    manifest({
      recordings: [{ file: 'a.wav', point: 'm.q', snapshots: { samples: 5, offsetsS: [0, 1] } }],
    });
    await expect(collect((await openRecordingSet(folder)).recordings())).rejects.toThrow(/do not fit 12/);
  });
});

describe('tables', () => {
  const table = (more: object) => ({
    file: 't.csv',
    separator: ';',
    time: { column: 'when', format: 'yyyy-MM-dd HH:mm:ss' },
    points: [
      { column: 'Temp [°C]', point: 'm.temperature', unit: 'degC' },
      { column: 'P', point: 'm.pressure', unit: 'bar' },
    ],
    ...more,
  });
  const rows = async (more: object = {}) => {
    manifest({ tables: [table(more)] });
    const set = await openRecordingSet(folder);
    return collect(set.readTable(set.manifest.tables[0]!));
  };

  it('give readings, times in UTC and labels', async () => {
    put(
      't.csv',
      '\uFEFFwhen;Temp [°C];P;fault\r\n2024-01-01 00:00:00;20.5;1;0.0\r\n2024-01-01 00:00:01;;"2";1.0\r\n',
    );
    const [first, second] = await rows({ label: { column: 'fault', anomalous: '1' } });
    expect(first).toMatchObject({ index: 0, timeMs: Date.UTC(2024, 0, 1), anomalous: false });
    expect(first!.readings[0]).toMatchObject({ point: 'm.temperature', value: 20.5, quality: 'good' });
    expect(second!.anomalous).toBe(true);
    expect(second!.readings[0]).toMatchObject({ quality: 'bad', reason: 'not-a-number' });
    expect(second!.readings[1]!.value).toBe(2);
  });

  it('take labels as windows of time', async () => {
    put('t.csv', 'when;Temp [°C];P\n2024-01-01 00:00:00;1;1\n2024-01-01 00:10:00;1;1\n');
    const windows = [['2024-01-01 00:05:00.000000', '2024-01-01 00:15:00.000000']];
    expect((await rows({ label: { windows } })).map((row) => row.anomalous)).toEqual([false, true]);
  });

  it('name what is missing', async () => {
    put('t.csv', 'when;P\n2024-01-01 00:00:00;1\n');
    await expect(rows()).rejects.toMatchObject({ code: 'TABLE_FORMAT', hint: 'Its columns are: when, P' });
    put('t.csv', 'when;Temp [°C];P\n2024-01-01 00:00:00;1;1\nyesterday;1;1\n');
    await expect(rows()).rejects.toThrow(/line 3/);
  });
});
