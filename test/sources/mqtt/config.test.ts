import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mqttConfigSchema } from '#sm/sources/mqtt/config.js';
import { fillTemplate, pointSegment, topicFilterFault, topicPattern } from '#sm/sources/mqtt/topic-filter.js';

const SUBSCRIPTION = {
  filter: 'plant/{machine}/{position}/vibration',
  point: '{machine}.{position}.acceleration',
  payload: { kind: 'waveform', encoding: 'float32le', sampleRateHz: 25_600, unit: 'g' },
};
const BASE = {
  id: 'm',
  type: 'mqtt',
  broker: { url: 'mqtt://127.0.0.1:1883' },
  subscriptions: [SUBSCRIPTION],
};

const issues = (config: object): string[] => {
  const result = mqttConfigSchema.safeParse({ ...BASE, ...config });
  return result.success
    ? []
    : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};
const subscription = (change: object) => ({ subscriptions: [{ ...SUBSCRIPTION, ...change }] });

describe('the configuration', () => {
  it('has defaults that a plant can live with', () => {
    expect(mqttConfigSchema.parse(BASE)).toMatchObject({
      broker: { version: 5, keepAlive: 30_000, sessionExpiry: 604_800_000, maxInFlight: 512 },
      subscriptions: [{ qos: 1 }],
      maxPayload: 1_048_576,
    });
    expect(mqttConfigSchema.parse({ ...BASE, broker: 'embedded' }).broker).toMatchObject({
      embedded: { listen: '127.0.0.1:1883', users: [] },
    });
    expect(
      mqttConfigSchema.parse({ ...BASE, broker: { ...BASE.broker, version: '3.1.1' } }).broker,
    ).toMatchObject({
      version: 4,
    });
  });

  it.each([
    [{ broker: 'embeded' }, /^broker: write \{ url/],
    [{ broker: { url: 'http://h' } }, /^broker\.url: write mqtt:/],
    [{ broker: { url: 'mqtt://user:secret@h' } }, /^broker\.url: .*beside it/],
    [{ broker: { url: 'mqtt://h', usrname: 'x' } }, /^broker: .*"usrname"/],
    [{ broker: { url: 'mqtts://h', tls: { cert: 'a.pem' } } }, /^broker\.tls: cert and key belong together/],
    [
      { broker: { embedded: { listen: '0.0.0.0:1883' } } },
      /^broker\.embedded\.users: .*open to the whole network/,
    ],
    [{ subscriptions: [] }, /^subscriptions/],
    [subscription({ filter: 'plant/{m}/#/x' }), /^subscriptions\.0\.filter: "#" stands only at the end/],
    [subscription({ filter: 'plant/{machine}/{machine}' }), /stands twice/],
    [
      subscription({ point: '{machine}.{place}.acceleration' }),
      /\{place\} is not in the filter; known: \{machine\}, \{position\}/,
    ],
    [subscription({ point: '{machine} acceleration' }), /point: a point is named/],
    [subscription({ payload: { kind: 'waveform', unit: 'g' } }), /payload\.sampleRateHz: is missing/],
    [subscription({ payload: { ...SUBSCRIPTION.payload, channels: ['x', 'y'] } }), /point: .*\{channel\}/],
    [subscription({ payload: { ...SUBSCRIPTION.payload, scale: 1, fullScale: 8 } }), /payload\.fullScale/],
    [
      subscription({
        payload: { ...SUBSCRIPTION.payload, header: { bytes: 4, sequence: { offset: 2, type: 'uint32le' } } },
      }),
      /header\.sequence: reaches past the 4 bytes/,
    ],
    [subscription({ payload: { kind: 'json', value: 'value', unit: 'A' } }), /payload\.value: write a path/],
  ])('refuses %j', (config, message) => {
    expect(issues(config)).toEqual([expect.stringMatching(message)]);
  });

  it('lets the broker listen on the network with users, or when told so', () => {
    const embedded = { listen: '0.0.0.0:1883', users: [{ username: 'a', password: 'b' }] };
    expect(issues({ broker: { embedded } })).toEqual([]);
    expect(issues({ broker: { embedded: { listen: '[::]:1883', allowAnonymous: true } } })).toEqual([]);
  });
});

describe('topic filters', () => {
  it('match as MQTT says', () => {
    const matches = (filter: string, topic: string) => topicPattern(filter).match(topic) !== undefined;
    expect(matches('a/+/c', 'a/b/c')).toBe(true);
    expect(matches('a/+/c', 'a//c')).toBe(true);
    expect(matches('a/+', 'a')).toBe(false);
    expect(matches('a/#', 'a')).toBe(true);
    expect(matches('a/#', 'a/b/c')).toBe(true);
    expect(matches('#', '$SYS/uptime')).toBe(false);
    expect(matches('{x}/uptime', '$SYS/uptime')).toBe(false);
    expect(matches('$SYS/#', '$SYS/uptime')).toBe(true);
  });

  it('name what they matched', () => {
    const level = fc.stringMatching(/^[^/+#{}\0]{1,10}$/);
    fc.assert(
      fc.property(level, level, level, (first, machine, position) => {
        fc.pre(!first.startsWith('$'));
        const pattern = topicPattern(`${first}/{machine}/+/{position}`);
        expect(topicFilterFault(`${first}/{machine}/+/{position}`)).toBeUndefined();
        expect(pattern.filter).toBe(`${first}/+/+/+`);
        expect(pattern.match(`${first}/${machine}/x/${position}`)).toEqual({ machine, position });
        expect(pattern.match(`${first}/${machine}/x`)).toBeUndefined();
      }),
    );
  });

  it.each(['', 'a/#/b', 'a/b#', 'a/+b', 'a/{}', 'a/x{b}', 'a/{1}', 'a\0b'])('refuses %j', (filter) => {
    expect(topicFilterFault(filter)).toBeTypeOf('string');
  });

  it('make segments of points from levels', () => {
    expect(['pump-1', 'Press 4', 'a.b', '  x ', '_y', 'ö', '', '..'].map(pointSegment)).toEqual([
      'pump-1',
      'Press-4',
      'a-b',
      'x',
      'y',
      '',
      '',
      '',
    ]);
    expect(fillTemplate('{a}.{b}.{a}', { a: '1', b: '2' })).toBe('1.2.1');
  });
});
