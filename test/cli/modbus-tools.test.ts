import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '#sm/config/load.js';
import { ModbusServer, type RegisterProvider } from '#sm/simulator/modbus/server.js';
import { guess, interpretations } from '#sm/sources/modbus/tools/interpret.js';
import { RtuServer } from '../sources/modbus/rtu-server.js';
import { smEdge } from '../support/daemon.js';
import { hasSocat, PseudoSerialPort } from '../support/socat.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

/** What `sm-edge check` says of the lines that a tool gave, beside the keys that every config has. */
const accepted = (yaml: string) =>
  parseConfig('pasted.yaml', `gateway: { id: gw-1 }\nstorage: { path: /tmp/x }\n${yaml}`, {}).config.sources;

/** Units 2 and 5: input registers 16 to 19, a float in 16 and 17; everything else is refused or silent. */
class Device implements RegisterProvider {
  writes = 0;
  #reads = 0;

  read(table: string, unitId: number, address: number, count: number) {
    if (unitId !== 2 && unitId !== 5) return undefined;
    if (table !== 'input') return { exception: 1 };
    if (address < 16 || address + count > 20) return { exception: 2 };
    const data = Buffer.alloc(8);
    data.writeFloatBE(21.5 + 0.013 * this.#reads++, 0);
    data.writeInt16BE(-40, 4);
    data.writeUInt16BE(300, 6);
    return Array.from({ length: count }, (_, i) => data.readUInt16BE(2 * (address - 16 + i)));
  }

  write() {
    this.writes++;
    return undefined;
  }
}

async function device() {
  const provider = new Device();
  const server = new ModbusServer(provider);
  open.push(server);
  return { provider, ...(await server.start()) };
}

describe('sm-edge scan modbus', () => {
  // The devices share this process with the test: they have seconds for an answer, so few are silent.
  it('finds the units behind a host and gives lines that check accepts, without a write', async () => {
    const { port, provider } = await device();
    const { code, stdout } = await smEdge([
      ...['scan', 'modbus', `127.0.0.1:${port}`, '--units', '2-5', '--timeout', '2s', '--json'],
    ]);
    expect(code).toBe(0);
    const { units, yaml } = JSON.parse(stdout);
    expect(units.map(({ unitId }: { unitId: number }) => unitId)).toEqual([2, 5]);
    expect(units[0].tables).toEqual([{ table: 'input', address: 16, value: expect.any(Number) }]);
    const [source] = accepted(yaml);
    expect(source).toMatchObject({ type: 'modbus', connection: { host: '127.0.0.1', port } });
    expect(provider.writes).toBe(0);
  });

  it('shows the same to a person', async () => {
    const { port } = await device();
    const { stdout } = await smEdge([
      'scan',
      'modbus',
      `127.0.0.1:${port}`,
      '--units',
      '2',
      '--timeout',
      '10s',
    ]);
    expect(stdout).toMatch(/^unit 2 \(127\.0\.0\.1:\d+, \d+ ms\): input 16 = 16812/);
    expect(accepted(stdout.slice(stdout.indexOf('sources:')))).toHaveLength(1);
  });

  it.skipIf(!hasSocat())('finds them on a serial line, with a silent unit between', async () => {
    const server = new RtuServer({
      fault: ({ unitId }) => ({ fault: unitId % 3 === 0 ? 'none' : 'silent' }),
    });
    open.push(server);
    const pty = await PseudoSerialPort.open((await server.start()).port);
    open.push(pty);
    const { code, stdout } = await smEdge([
      ...['scan', 'modbus', pty.path, '--units', '3,5,6', '--baud', '9600,19200', '--parity', 'none'],
      ...['--timeout', '1s', '--json'],
    ]);
    expect(code).toBe(0);
    const { units, yaml } = JSON.parse(stdout);
    expect(units.map(({ unitId }: { unitId: number }) => unitId)).toEqual([3, 6]);
    expect(accepted(yaml)).toMatchObject([
      { connection: { transport: 'rtu', baudRate: 9600, parity: 'none' } },
    ]);
  });

  it('says what is wrong', async () => {
    expect(await smEdge(['scan', 'modbus', '127.0.0.1:1', '--units', '1'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing listens there'),
    });
    expect((await smEdge(['scan', 'modbus', '127.0.0.1:1', '--units', '9-3'])).code).toBe(2);
    expect((await smEdge(['scan', 'modbus', '/dev/x', '--baud', 'fast'])).code).toBe(2);
  });
});

describe('sm-edge probe modbus', () => {
  it('shows every interpretation, times, errors and lines that check accepts', async () => {
    const { port, provider } = await device();
    const target = ['probe', 'modbus', `127.0.0.1:${port}`, '--unit', '5', '--register', 'input'];
    const range = ['--address', '16', '--count', '4', '--repeat', '4', '--pause', '5ms', '--timeout', '10s'];
    const { code, stdout } = await smEdge([...target, ...range]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^4 requests, 4 answers; round trip/);
    expect(stdout).toMatch(/16 {2}41ac\w{4} {2}ABCD .* 21\.5390/);
    expect(accepted(stdout.slice(stdout.indexOf('sources:')))).toMatchObject([
      {
        units: [
          {
            unitId: 5,
            points: [
              { address: 16, type: 'float32', order: 'ABCD' },
              { address: 18, type: 'int16' },
              { address: 19, type: 'uint16' },
            ],
          },
        ],
      },
    ]);
    expect(provider.writes).toBe(0);
  });

  it('counts what the device refuses', async () => {
    const { port } = await device();
    const { code, stdout } = await smEdge([
      ...['probe', 'modbus', `127.0.0.1:${port}`, '--unit', '2', '--repeat', '2', '--pause', '1ms'],
      ...['--timeout', '10s', '--json'],
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      asked: 2,
      answers: [],
      errors: [{ count: 2, message: expect.stringContaining('exception 1') }],
    });
  });
});

describe('the interpretations of a range', () => {
  it('are every type in every order, where it fits', () => {
    const all = interpretations(Buffer.from('0123456789abcdef', 'hex'));
    const at = (offset: number, order: string, type: string) =>
      all.find((one) => one.offset === offset && one.order === order && one.type === type)?.value;
    expect(at(0, 'ABCD', 'uint32')).toBe(0x01234567);
    expect(at(0, 'CDAB', 'uint32')).toBe(0x45670123);
    expect(at(1, 'BADC', 'uint32')).toBe(0x6745ab89);
    expect(at(2, 'DCBA', 'uint32')).toBe(0xefcdab89);
    expect(at(0, 'GHEFCDAB', 'uint64')).toBe(Number(0xcdef89ab45670123n));
    expect(at(3, 'BA', 'uint16')).toBe(0xefcd);
    expect(all.filter(({ order }) => order.length === 8).every(({ offset }) => offset === 0)).toBe(true);
  });

  it.each(['ABCD', 'CDAB', 'BADC', 'DCBA'] as const)('are guessed: a float in the order %s', (order) => {
    const answers = [61.25, 61.31, 61.28].map((value) => {
      const float = Buffer.alloc(4);
      float.writeFloatBE(value);
      return Buffer.from([...order].map((letter) => float[letter.charCodeAt(0) - 65]!));
    });
    expect(guess(answers)).toMatchObject([{ offset: 0, type: 'float32', order }]);
  });

  it('are guessed: two counters that creep are no float', () => {
    const answers = [5_080, 5_087, 5_091].map((current) => {
      const data = Buffer.alloc(4);
      data.writeUInt16BE(current, 0);
      data.writeUInt16BE(17_804, 2);
      return data;
    });
    expect(guess(answers).map(({ type }) => type)).toEqual(['uint16', 'uint16']);
  });
});
