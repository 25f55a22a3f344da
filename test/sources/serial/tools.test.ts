import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc } from '#sm/base/crc.js';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { encodeVibrationFrame } from '#sm/simulator/serial/frame.js';
import { arrivalRate } from '#sm/sources/serial/tools/arrival-rate.js';
import { guessFraming } from '#sm/sources/serial/tools/guess-framing.js';
import { guessMessages } from '#sm/sources/serial/tools/guess-message.js';
import { scanPorts } from '#sm/sources/serial/tools/ports.js';

const random = seededRandom(4);
const signal = (length: number, counter: number) =>
  Int16Array.from({ length }, (_, i) => 3000 * Math.sin((counter * length + i) / 9) + 100 * gaussian(random));

describe('a guess at the framing', () => {
  it('finds a sync word with length and check value behind half a frame and garbage', () => {
    const frames = Array.from({ length: 12 }, (_, counter) =>
      Buffer.from(encodeVibrationFrame({ counter: counter + 300, samples: signal(200, counter) })),
    );
    const bytes = Buffer.concat([
      frames[0]!.subarray(77),
      ...frames.slice(1, 6),
      Buffer.from([1, 2, 3]),
      ...frames.slice(6),
    ]);
    const [guess] = guessFraming(bytes);
    expect(guess!.yaml).toEqual({
      kind: 'sync',
      sync: 'A55A',
      length: { type: 'uint16le' },
      check: { name: 'crc16-ccitt-false' },
    });
    expect(guess!.frames).toHaveLength(11);
    expect(guessMessages(guess!.frames, false, 32)).toEqual([
      {
        point: 'serial-device.acceleration',
        payload: {
          kind: 'waveform',
          header: { bytes: 2, sequence: { offset: 0, type: 'uint16le' } },
          encoding: 'int16le',
          sampleRateHz: 6400,
          unit: 'g',
        },
      },
    ]);
  });

  it('tells how long a frame is on the line, also of few that end in the middle of one', () => {
    const samples = Int16Array.from({ length: 4096 }, (_, i) => 8000 * Math.sin(i / 7));
    const frames = Array.from({ length: 9 }, (_, counter) => encodeVibrationFrame({ counter, samples }));
    const bytes = Buffer.concat(frames).subarray(3000, -1000);
    expect(guessFraming(bytes)[0]).toMatchObject({ frameBytes: frames[0]!.length });
  });

  it('finds COBS and its check value', () => {
    const frames = Array.from({ length: 8 }, (_, i) => {
      const payload = Buffer.from([i + 1, 2, 0, 4, 0, 0, 7, 200 + i, 9, 0]);
      payload.writeUInt16BE(crc('crc16-xmodem', payload, 0, 8), 8);
      return cobs(payload);
    });
    const [guess] = guessFraming(Buffer.concat([Buffer.from([0]), ...frames]));
    expect(guess!.yaml).toEqual({ kind: 'cobs', check: { name: 'crc16-xmodem', order: 'big' } });
    expect(guess!.frames).toHaveLength(8);
  });

  it('finds lines, and the numbers in them', () => {
    const lines = Array.from({ length: 6 }, (_, i) => `T1=2${i}.5;P=1.0${i} bar\r\n`).join('');
    const [guess] = guessFraming(Buffer.from(lines));
    expect(guess!.yaml).toEqual({ kind: 'line' });
    const [message] = guessMessages(guess!.frames, true, 1) as { payload: { pattern: string } }[];
    const found = new RegExp(message!.payload.pattern).exec('T1=-3.25;P=1.07 bar');
    expect(found?.groups).toEqual({ T1: '-3.25', P: '1.07' });
  });

  it('finds the numbers of JSON', () => {
    expect(guessMessages([Buffer.from('{"temp": 20.5, "name": "x", "rpm": 1480}')], true, 1)).toEqual([
      { point: 'serial-device.temp', payload: { kind: 'json', value: '$.temp', unit: '1' } },
      { point: 'serial-device.rpm', payload: { kind: 'json', value: '$.rpm', unit: '1' } },
    ]);
  });

  it('says nothing where there is nothing', () => {
    expect(guessFraming(Buffer.alloc(0))).toEqual([]);
    const noise = Buffer.from(Uint8Array.from({ length: 4000 }, () => Math.floor(random() * 256)));
    expect(guessFraming(noise)[0]?.confidence ?? 0).toBeLessThan(0.7);
  });
});

function cobs(payload: Buffer): Buffer {
  const out: number[] = [];
  let block: number[] = [];
  for (const byte of payload) {
    if (byte === 0) {
      out.push(block.length + 1, ...block);
      block = [];
    } else block.push(byte);
  }
  return Buffer.from([...out, block.length + 1, ...block, 0]);
}

describe('the rate at which bytes come', () => {
  /** Twelve blocks of 8 KiB, one each 160 ms, in two pieces. */
  const blocks = (lateMs: (block: number) => number) =>
    Array.from({ length: 12 }, (_, block) => {
      const atMs = 160 * block + lateMs(block);
      return [
        { atMs, totalBytes: 8192 * block + 5000 },
        { atMs: atMs + 1, totalBytes: 8192 * (block + 1) },
      ];
    }).flat();

  it('is that of the sender, whichever blocks are held up', () => {
    expect(arrivalRate(blocks(() => 0))).toBeCloseTo(51_200, 6);
    for (const held of [0, 5, 11])
      expect(arrivalRate(blocks((block) => (block === held ? 155 : 0)))).toBeCloseTo(51_200, 6);
  });

  it('is that of a line whose bytes never pause', () => {
    const each = Array.from({ length: 2000 }, (_, ms) => ({ atMs: ms, totalBytes: 92 * (ms + 1) }));
    expect(arrivalRate(each)).toBeCloseTo(92_000, 6);
  });

  it('is none where nothing came, or all at once', () => {
    expect(arrivalRate([])).toBe(0);
    expect(arrivalRate([{ atMs: 5, totalBytes: 100 }])).toBe(0);
  });
});

describe('the ports of a machine', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'sm-edge-ports-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('has names that stay, products and holders', () => {
    const [dev, sys] = [path.join(root, 'dev'), path.join(root, 'sys')];
    const usb = path.join(sys, 'devices/usb1/1-2');
    mkdirSync(path.join(usb, '1-2:1.0/ttyUSB0'), { recursive: true });
    mkdirSync(path.join(sys, 'bus/ftdi_sio'), { recursive: true });
    writeFileSync(path.join(usb, 'product'), 'FT232R USB UART\n');
    writeFileSync(path.join(usb, 'manufacturer'), 'FTDI\n');
    symlinkSync(path.join(sys, 'bus/ftdi_sio'), path.join(usb, '1-2:1.0/ttyUSB0/driver'));
    for (const name of ['ttyUSB0', 'ttyS0', 'tty1'])
      mkdirSync(path.join(sys, 'class/tty', name), { recursive: true });
    symlinkSync(path.join(usb, '1-2:1.0/ttyUSB0'), path.join(sys, 'class/tty/ttyUSB0/device'));
    // One of the four ports that every kernel lists, and that is not there.
    mkdirSync(path.join(sys, 'class/tty/ttyS0/device'));
    writeFileSync(path.join(sys, 'class/tty/ttyS0/type'), '0\n');
    for (const kind of ['by-id', 'by-path']) mkdirSync(path.join(dev, 'serial', kind), { recursive: true });
    const port = path.join(dev, 'ttyUSB0');
    for (const name of ['ttyUSB0', 'ttyS0', 'tty1']) writeFileSync(path.join(dev, name), '');
    const byId = path.join(dev, 'serial/by-id/usb-FTDI_FT232R_A1-if00-port0');
    const byPath = path.join(dev, 'serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0');
    for (const link of [byId, byPath]) symlinkSync('../../ttyUSB0', link);

    const scan = () => scanPorts({ dev, sys, proc: '/proc' }).ports;
    const expected = {
      path: port,
      byId: [byId],
      byPath: [byPath],
      driver: 'ftdi_sio',
      product: 'FTDI FT232R USB UART',
    };
    expect(scan()).toMatchObject([{ ...expected, permitted: true, holders: [] }]);
    const held = openSync(byId, 'r');
    expect(scan()[0]!.holders).toMatchObject([{ pid: process.pid }]);
    closeSync(held);
    expect(scan()[0]!.holders).toEqual([]);
  });

  it('are none where there are none', () => {
    expect(scanPorts({ dev: root, sys: root, proc: root })).toEqual({ ports: [], hiddenProcesses: 0 });
  });
});
