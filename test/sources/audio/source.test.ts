import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { audioPart } from '#sm/sources/audio/index.js';
import { isState, type Running, run, until } from '../support.js';

/*
 * No sound card is needed: a program with the arguments and the output of arecord stands in its place, a real child
 * process that streams real WAV bytes, dies, stays silent or complains.
 */
const PROGRAM = `#!${process.execPath}
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
const folder = import.meta.dirname;
const option = (flag) => process.argv[process.argv.indexOf(flag) + 1];
appendFileSync(folder + '/calls', process.argv.slice(2).join(' ') + '\\n');
const mode = existsSync(folder + '/mode') ? readFileSync(folder + '/mode', 'utf8') : '';
if (mode === 'busy') {
  console.error('arecord: main:831: audio open error: Device or resource busy');
  process.exit(1);
}
const rate = mode === 'rate' ? 44100 : Number(option('-r'));
const channels = Number(option('-c'));
const head = Buffer.alloc(44);
head.write('RIFF'); head.writeUInt32LE(0x7fffffff, 4); head.write('WAVEfmt ', 8);
head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(channels, 22);
head.writeUInt32LE(rate, 24); head.writeUInt32LE(rate * channels * 2, 28);
head.writeUInt16LE(channels * 2, 32); head.writeUInt16LE(16, 34);
head.write('data', 36); head.writeUInt32LE(0x7fffffff, 40);
process.stdout.write(head.subarray(0, 17));
process.stdout.write(head.subarray(17));
if (mode === 'silent') setInterval(() => {}, 1000);
else {
  let sample = 0;
  const send = () => {
    const frames = rate / 50;
    const bytes = Buffer.alloc(frames * channels * 2);
    for (let i = 0; i < frames; i++, sample++)
      for (let c = 0; c < channels; c++) bytes.writeInt16LE((sample % 1000) * (c === 0 ? 1 : -1), (i * channels + c) * 2);
    process.stdout.write(bytes.subarray(0, 333));
    process.stdout.write(bytes.subarray(333));
    if (mode === 'overrun' && sample < 1000) console.error('overrun!!! (at least 1.234 ms long)');
    if (mode === 'dies' && sample >= rate / 10) process.exit(3);
  };
  setInterval(send, 20);
}
`;

let folder: string;
const open: Running[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-audio-'));
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(folder, 'arecord'), PROGRAM);
  chmodSync(path.join(folder, 'arecord'), 0o755);
});
afterEach(async () => {
  for (const { source } of open.splice(0)) await source.stop();
  rmSync(folder, { recursive: true, force: true });
});

const mode = (name: string): void => writeFileSync(path.join(folder, 'mode'), name);
const calls = (): string[] =>
  existsSync(path.join(folder, 'calls'))
    ? readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n')
    : [];

const listen = async (config = {}, more: Parameters<typeof run>[2] = {}): Promise<Running> => {
  const one = await run(
    audioPart,
    {
      device: 'plughw:CARD=USB',
      sampleRateHz: 16_000,
      channels: ['left', 'right'],
      point: 'fan.{channel}.sound-pressure',
      unit: 'Pa',
      fullScale: 20,
      block: '50ms',
      program: path.join(folder, 'arecord'),
      // A recorder that takes its time to start is not silent.
      silence: '60s',
      ...config,
    },
    more,
  );
  open.push(one);
  return one;
};

describe('a microphone', () => {
  it('gives blocks of both channels, end to end in time', async () => {
    // All of it comes at one time: what is held up on its way is no pause in the signal.
    const nowMs = systemClock.nowMs();
    const one = await listen({}, { clock: { ...systemClock, nowMs: () => nowMs } });
    await until(() => expect(one.blocks.length).toBeGreaterThanOrEqual(10));
    expect(calls()).toEqual(['-q -t wav -D plughw:CARD=USB -f S16_LE -r 16000 -c 2']);
    const left = one.blocks.filter(({ point }) => point === 'fan.left.sound-pressure');
    const right = one.blocks.filter(({ point }) => point === 'fan.right.sound-pressure');
    const samples = left.flatMap(({ samples: own }) => [...own]);
    expect(samples).toEqual(samples.map((_, i) => Math.fround(((i % 1000) * 20) / 32_768)));
    expect([...right[0]!.samples].map((value) => value + 0)).toEqual(
      [...left[0]!.samples].map((value) => 0 - value),
    );
    expect(left[0]).toMatchObject({ sampleRateHz: 16_000, unit: 'Pa', quality: 'good' });
    expect(left[0]!.samples).toHaveLength(800);
    for (let i = 1; i < left.length; i++)
      expect(left[i]!.startTimeMs - left[i - 1]!.startTimeMs).toBeCloseTo(50, 1);
    await isState(one.source, 'good');
  });

  it('is started again when its recorder dies', async () => {
    mode('dies');
    const one = await listen();
    await until(() => expect(calls().length).toBeGreaterThanOrEqual(2));
    await until(() => expect(one.statuses.map(({ reason }) => reason).join()).toContain('ended with code 3'));
    mode('');
    await until(async () => {
      expect(one.source.status.state).toBe('good');
      expect(await one.counter('sm_edge_audio_recorder_ends_total')).toBeGreaterThanOrEqual(1);
    });
    const before = one.blocks.length;
    await until(() => expect(one.blocks.length).toBeGreaterThan(before + 4));
  });

  it('is ended and started again when it gives nothing', async () => {
    mode('silent');
    // Longer than a program takes to start beside other work: it is to be silent, not absent.
    const one = await listen({ silence: '3s' });
    await until(() => expect(one.source.status.reason).toContain('nothing came within 3000 ms'));
    await until(() => expect(calls().length).toBeGreaterThanOrEqual(2));
  });

  it('says what the recorder says, and what to do', async () => {
    mode('busy');
    const one = await listen();
    await until(() => expect(one.source.status.reason).toContain('another program holds the device'));
    expect(one.source.status.state).toBe('degraded');
    const missing = await listen({ program: path.join(folder, 'nothing-here') });
    await isState(missing.source, 'failed');
    expect(missing.source.status.reason).toContain('alsa-utils');
  });

  it('goes by the rate that the device gives, and says that it is another', async () => {
    mode('rate');
    const one = await listen();
    await until(() => expect(one.blocks.length).toBeGreaterThan(0));
    expect(one.blocks[0]).toMatchObject({ sampleRateHz: 44_100 });
    await isState(one.source, 'degraded');
    expect(one.source.status.reason).toContain('44100 Hz where 16000 Hz are declared');
  });

  it('counts overruns', async () => {
    mode('overrun');
    const one = await listen();
    await until(async () => expect(await one.counter('sm_edge_audio_overruns_total')).toBeGreaterThan(0));
  });

  it('ends its recorder with it', async () => {
    const one = await listen();
    await until(() => expect(one.blocks.length).toBeGreaterThan(0));
    await one.source.stop();
    const count = one.blocks.length;
    expect(one.source.status.state).toBe('stopped');
    expect(one.blocks).toHaveLength(count);
  });
});
