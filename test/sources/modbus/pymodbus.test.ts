import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { modbusPart } from '#sm/sources/modbus/index.js';
import { requirePython, venvPython } from '../../support/venv.js';
import { run, until } from '../support.js';

// Against a server that no one here wrote: its encodings and its framing judge ours.

const available = requirePython('pymodbus');
const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function serve(framer: 'socket' | 'rtu'): Promise<number> {
  const script = path.join(import.meta.dirname, 'pymodbus-server.py');
  const child: ChildProcess = spawn(venvPython, [script, framer], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  open.push({
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  });
  const line = await Promise.race([
    new Promise<string>((resolve) => child.stdout!.once('data', (chunk) => resolve(String(chunk)))),
    ended.then(() => {
      throw new Error('the pymodbus server ended at once');
    }),
  ]);
  return Number(line);
}

const VALUES = [
  ['int16', 100, -12345],
  ['uint16', 110, 54321],
  ['int32', 120, -123456789],
  ['uint32', 130, 4123456789],
  ['int64', 140, -1234567890123456],
  ['uint64', 150, 9007199254740991],
  ['float32', 160, -0.15625],
  ['float64', 170, -273.15],
] as const;

describe.skipIf(!available)('against pymodbus', () => {
  it.each([
    ['Modbus TCP', 'socket', 'tcp'],
    ['RTU over TCP', 'rtu', 'rtu-over-tcp'],
  ] as const)('%s: every type, table and unit', async (_name, framer, transport) => {
    const port = await serve(framer);
    const many = Array.from({ length: 500 }, (_, i) => ({
      point: `many.r${200 + i}`,
      register: 'holding',
      address: 200 + i,
    }));
    const running = await run(modbusPart, {
      connection: { transport, host: '127.0.0.1', port, timeout: '60s' },
      units: [
        {
          unitId: 1,
          interval: '100ms',
          points: [
            ...VALUES.map(([type, address]) => ({ point: `v.${type}`, register: 'holding', address, type })),
            ...many,
            { point: 'in.r5', register: 'input', address: 5 },
            // Holding registers end at 699.
            { point: 'gone.r', register: 'holding', address: 9000 },
          ],
        },
        {
          unitId: 7,
          interval: '100ms',
          points: [0, 1, 2, 3, 17].flatMap((address) => [
            { point: `coil.c${address}`, register: 'coil', address },
            { point: `discrete.d${address}`, register: 'discrete', address },
          ]),
        },
      ],
    });
    open.push(running.source);
    await until(() => {
      expect(running.source.status.reason).toBe('the device refuses gone.r');
      // The other unit may be asked later.
      expect(new Set(running.readings.map(({ point }) => point)).size).toBe(VALUES.length + 500 + 2 + 10);
    });
    const last = new Map(running.readings.map((reading) => [reading.point, reading]));
    for (const [type, , value] of VALUES) expect([type, last.get(`v.${type}`)?.value]).toEqual([type, value]);
    for (const { point, address } of many)
      expect(last.get(point)).toMatchObject({ value: address, quality: 'good' });
    expect(last.get('in.r5')?.value).toBe(1005);
    expect(last.get('gone.r')).toMatchObject({ quality: 'bad', reason: 'device-error' });
    for (const address of [0, 1, 2, 3, 17]) {
      const value = address % 3 === 0 ? 1 : 0;
      expect(last.get(`coil.c${address}`)?.value).toBe(value);
      expect(last.get(`discrete.d${address}`)?.value).toBe(value);
    }
  });
});
