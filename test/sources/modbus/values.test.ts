import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRequests, splitRequest } from '#sm/sources/modbus/plan.js';
import { BYTE_ORDERS, type ByteOrder, decodeBit, decodeValue } from '#sm/sources/modbus/values.js';

// Every decoder against the one of Node's Buffer, for every order.

/** Big-endian bytes as they stand on the wire in this order: A is the first of them. */
const onWire = (bytes: Buffer, order: ByteOrder): Buffer =>
  Buffer.from([...order].map((letter) => bytes[letter.charCodeAt(0) - 65]!));

const orders = (letters: number) => BYTE_ORDERS.filter((order) => order.length === letters);

const TYPES = [
  ['int16', 2, (b: Buffer) => b.readInt16BE()],
  ['uint16', 2, (b: Buffer) => b.readUInt16BE()],
  ['int8', 2, (b: Buffer) => b.readInt8(1)],
  ['uint8', 2, (b: Buffer) => b.readUInt8(1)],
  ['int32', 4, (b: Buffer) => b.readInt32BE()],
  ['uint32', 4, (b: Buffer) => b.readUInt32BE()],
  ['float32', 4, (b: Buffer) => b.readFloatBE()],
  ['int64', 8, (b: Buffer) => Number(b.readBigInt64BE())],
  ['uint64', 8, (b: Buffer) => Number(b.readBigUInt64BE())],
  ['float64', 8, (b: Buffer) => b.readDoubleBE()],
] as const;

describe('values of registers', () => {
  it.each(TYPES)('%s in every order', (type, bytes, read) => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: bytes, maxLength: bytes }),
        fc.constantFrom(...orders(bytes)),
        fc.nat(10),
        (raw, order, at) => {
          const data = Buffer.concat([Buffer.alloc(at, 0x55), onWire(Buffer.from(raw), order)]);
          expect(decodeValue(data, at, { type, order, bit: 0 })).toBe(read(Buffer.from(raw)));
        },
      ),
    );
  });

  it.each([
    ['bcd16', 4],
    ['bcd32', 8],
    ['bcd64', 16],
  ] as const)('%s digits, in every order', (type, digits) => {
    const digit = fc.constantFrom(...'0123456789');
    fc.assert(
      fc.property(
        fc.array(digit, { minLength: digits, maxLength: digits }),
        fc.constantFrom(...orders(digits / 2)),
        (chosen, order) => {
          const text = chosen.join('');
          const data = onWire(Buffer.from(text, 'hex'), order);
          expect(decodeValue(data, 0, { type, order, bit: 0 })).toBe(Number(text));
        },
      ),
    );
    expect(decodeValue(Buffer.alloc(8, 0xaa), 0, { type, order: orders(digits / 2)[0]!, bit: 0 })).toBeNaN();
  });

  it('float16 by its bit pattern (IEEE 754-2008, 3.6)', () => {
    const cases: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65_504],
      [0x0400, 2 ** -14],
      [0x0001, 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfe00, Number.NaN],
    ];
    for (const [bits, value] of cases) {
      const data = Buffer.from([bits >> 8, bits & 0xff]);
      expect(decodeValue(data, 0, { type: 'float16', order: 'AB', bit: 0 })).toBe(value);
    }
  });

  it('bits of registers and of coils', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(15), (value, bit) => {
        const data = Buffer.from([value >> 8, value & 0xff]);
        expect(decodeValue(data, 0, { type: 'bit', order: 'AB', bit })).toBe((value >> bit) & 1);
      }),
    );
    expect([...Array(10).keys()].map((i) => decodeBit(Buffer.from([0b1100_0101, 0b10]), i))).toEqual([
      1, 0, 1, 0, 0, 0, 1, 1, 0, 1,
    ]);
  });
});

describe('the plan of requests', () => {
  const placed = fc.record({
    table: fc.constantFrom('holding' as const, 'input' as const, 'coil' as const),
    address: fc.nat(3000),
    width: fc.constantFrom(1, 2, 4),
  });
  const limits = fc.record({
    maxRegisters: fc.integer({ min: 4, max: 125 }),
    maxBits: fc.integer({ min: 16, max: 2000 }),
    maxGap: fc.nat(30),
  });

  it('brings every point once and whole, within the limits, tables apart', () => {
    fc.assert(
      fc.property(fc.array(placed, { maxLength: 200 }), limits, (points, rules) => {
        const requests = planRequests(points, rules);
        expect(requests.flatMap((request) => request.points)).toHaveLength(points.length);
        expect(new Set(requests.flatMap((request) => request.points))).toEqual(new Set(points));
        for (const { table, address, quantity, points: own } of requests) {
          expect(quantity).toBeLessThanOrEqual(table === 'coil' ? rules.maxBits : rules.maxRegisters);
          for (const point of own) {
            expect(point.table).toBe(table);
            expect(point.address).toBeGreaterThanOrEqual(address);
            expect(point.address + point.width).toBeLessThanOrEqual(address + quantity);
          }
        }
      }),
    );
  });

  it('merges neighbours over a small gap and not over a large one', () => {
    const point = (address: number) => ({ table: 'holding' as const, address, width: 2 });
    const rules = { maxRegisters: 125, maxBits: 2000, maxGap: 8 };
    const plan = planRequests([point(30), point(0), point(10), point(39)], rules);
    expect(plan.map(({ address, quantity }) => [address, quantity])).toEqual([
      [0, 12],
      [30, 11],
    ]);
  });

  it('splits a refused request until one point stands alone', () => {
    const points = [0, 2, 4, 6, 8].map((address) => ({ table: 'input' as const, address, width: 2 }));
    const [whole] = planRequests(points, { maxRegisters: 125, maxBits: 2000, maxGap: 8 });
    const [left, right] = splitRequest(whole!);
    expect([left!.address, left!.quantity, right!.address, right!.quantity]).toEqual([0, 6, 6, 4]);
  });
});
