import { Point } from '@influxdata/influxdb-client';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FieldValue, parseLineProtocol } from '#sm/sources/payloads/line-protocol-text.js';
import { ARRIVAL, decode, decoder } from './support.js';

const parse = (text: string) => {
  const faults: unknown[] = [];
  const lines = parseLineProtocol(text, (fault) => faults.push(fault));
  return { faults, lines };
};

/**
 * Names as the format can carry them: no backslash (the format has no escape for it in names, and one before a
 * comma is ambiguous), no newline; measurement and keys do not begin with `#` or `_`.
 */
const name = fc.stringMatching(/^[a-z0-9 ,=äß]{1,12}$/).filter((text) => text.trim() === text);

describe('the parser of the line protocol', () => {
  it("reads what InfluxData's own client writes", () => {
    const value: fc.Arbitrary<FieldValue> = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.string(),
    );
    const line = fc.record({
      measurement: name,
      tags: fc.dictionary(name, name),
      fields: fc.dictionary(name, value, { minKeys: 1 }),
      timestamp: fc.option(fc.maxSafeInteger(), { nil: undefined }),
    });
    const property = fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (written) => {
      const text = written.map(({ measurement, tags, fields, timestamp }) => {
        const point = new Point(measurement);
        for (const [key, tag] of Object.entries(tags)) point.tag(key, tag);
        for (const [key, field] of Object.entries(fields)) {
          if (typeof field === 'number') point.floatField(key, field);
          else if (typeof field === 'boolean') point.booleanField(key, field);
          else point.stringField(key, field);
        }
        // Without a timestamp the client would write the time of now.
        const body = point.timestamp(timestamp ?? 0).toLineProtocol();
        return timestamp === undefined ? body!.slice(0, -2) : body;
      });
      const { faults, lines } = parse(text.join('\n'));
      expect(faults).toEqual([]);
      expect(lines).toEqual(
        written.map((one) => ({
          measurement: one.measurement,
          timestamp: one.timestamp === undefined ? undefined : one.timestamp + 0,
          tags: new Map(Object.entries(one.tags)),
          fields: new Map(
            Object.entries(one.fields).map(([key, field]) => [
              key,
              typeof field === 'number' ? field + 0 : field,
            ]),
          ),
        })),
      );
    });
    fc.assert(property, { numRuns: 1000 });
  });

  // From the reference of InfluxDB v2.
  it.each([
    [
      'myMeasurement,tag1=value1,tag2=value2 fieldKey="fieldValue" 1556813561098000000',
      'fieldKey',
      'fieldValue',
    ],
    ['m fieldKey=1', 'fieldKey', 1],
    ['m fieldKey=12485903u', 'fieldKey', 12485903],
    ['m fieldKey=-1i', 'fieldKey', -1],
    ['m fieldKey=-1.234456e+78', 'fieldKey', -1.234456e78],
    ['m fieldKey=TRUE', 'fieldKey', true],
    ['my\\ Measurement fieldKey="string value"', 'fieldKey', 'string value'],
    ['m fieldKey="\\"string\\" within a string"', 'fieldKey', '"string" within a string'],
    ['m,tag\\ Key1=tag\\ Value1 fieldKey=100', 'fieldKey', 100],
    ['m fieldKey="Launch 🚀" 1556813561098000000', 'fieldKey', 'Launch 🚀'],
    ['m fieldKey="a\nb"', 'fieldKey', 'a\nb'],
    ['# comment\n\r\nm fieldKey=2\r\n', 'fieldKey', 2],
  ])('%s', (text, key, expected) => {
    const { faults, lines } = parse(text);
    expect(faults).toEqual([]);
    expect(lines.map(({ fields }) => fields.get(key))).toEqual([expected]);
  });

  it.each([
    'm',
    'm ',
    ',a=b c=1',
    'm,a= c=1',
    'm c=',
    'm c=abc',
    'm c=1x',
    'm c="open',
    'm c=1 soon',
    'm c=1 1 2',
    'm =1',
    'm c=1,',
    'm,a c=1',
  ])('refuses %j and reads on', (text) => {
    const { faults, lines } = parse(`${text}\nnext c=1`);
    expect(faults.length).toBeGreaterThan(0);
    if (!text.includes('"')) expect(lines.map(({ measurement }) => measurement)).toEqual(['next']);
  });
});

describe('line protocol payloads', () => {
  const CONFIG = {
    kind: 'line-protocol',
    tags: ['machine'],
    values: [
      { channel: 'temperature', field: 'value', measurement: 'temp', unit: 'degC', range: [-40, 150] },
      { channel: 'current', unit: 'A', scale: 0.001 },
    ],
  };

  it('names points by tags, reads fields by measurement, keeps the time of the line', () => {
    const text = [
      'temp,machine=pump-1 value=61.5 1750000000123456789',
      'motor,machine=pump-1 value=7,current=5200i 1750000000500000000',
      'motor,machine=fan-1 current=100i',
    ].join('\n');
    const { readings, deviceTime, partial } = decode(CONFIG, text);
    expect(partial).toBeUndefined();
    expect(deviceTime).toBe(false);
    const good = { quality: 'good' };
    expect(readings).toEqual([
      {
        point: 'pump-1.temperature',
        timeMs: expect.closeTo(1_750_000_000_123.457, 2),
        value: 61.5,
        unit: 'degC',
        ...good,
      },
      { point: 'pump-1.current', timeMs: 1_750_000_000_500, value: 5.2, unit: 'A', ...good },
      { point: 'fan-1.current', timeMs: ARRIVAL.timeMs, value: 0.1, unit: 'A', ...good },
    ]);
  });

  it('keeps the good lines of a payload with a bad one, and says so', () => {
    const { readings, partial } = decode(
      CONFIG,
      'temp,machine=a value=1\ntemp value=2\nbroken\ntemp,machine=b value=x',
    );
    expect(readings.map(({ point }) => point)).toEqual(['a.temperature']);
    expect(partial?.message).toMatch(/3 lines, such as/);
    expect(() => decode(CONFIG, 'temp value=2')).toThrow(/without the tag machine/);
  });

  it('takes no more than a thousand combinations of tags', () => {
    const lines = decoder(CONFIG);
    for (let i = 0; i < 1000; i++) lines.decode(Buffer.from(`temp,machine=m${i} value=1`), ARRIVAL);
    expect(() => lines.decode(Buffer.from('temp,machine=more value=1'), ARRIVAL)).toThrow(
      /1000 combinations/,
    );
    expect(lines.decode(Buffer.from('temp,machine=m5 value=1'), ARRIVAL).readings).toHaveLength(1);
  });
});
