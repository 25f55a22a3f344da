import { describe, expect, it } from 'vitest';
import { nearest } from '#sm/config/faults.js';
import { parseConfig } from '#sm/config/load.js';
import {
  expectFault,
  type FaultCase,
  faultsOf,
  GOOD,
  mlflow,
  modbus,
  mqtt,
  nameplate,
  TCP,
} from './fault-cases.js';

const cases = (what: string, list: readonly FaultCase[]) =>
  describe(what, () => {
    it.each(list)('%s', (...one) => expectFault(one));
  });

describe('a config', () => {
  it('is parsed, with its defaults, and frozen', () => {
    const { config, hash } = parseConfig('gateway.yaml', GOOD, {});
    expect(config.http.listen).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(config.storage.budget).toBe(8 * 2 ** 30);
    expect(Object.isFrozen(config.storage.keep)).toBe(true);
    expect(parseConfig('gateway.yaml', `# a comment\n${GOOD}`, {}).hash).toBe(hash);
  });

  it('is refused with every fault, in the order of the lines', () => {
    const faults = faultsOf(`${GOOD}analysis: { ring: 20 }
log: { levle: info }
machines: [ { id: a }, { id: a } ]
`);
    expect(faults.map(({ line, key }) => [line, key])).toEqual([
      [3, 'analysis.ring'],
      [4, 'log.levle'],
      [5, 'machines[1].id'],
    ]);
  });
});

cases('an unknown key names the nearest known one', [
  ['in a section', `${GOOD}http: { <<lisen: 127.0.0.1:80 }`, 'http.lisen', 'unknown key "lisen"', '"listen"'],
  ['for a section', 'gateway: { id: a }\n<<storge: { path: /x }', 'storge', 'unknown key', '"storage"'],
  [
    'deep in a source',
    modbus(TCP, 'unitId: 3\n        <<intervall: 1s'),
    'sources[0].units[0].intervall',
    'unknown key',
    '"interval"',
  ],
  ['in a form of a union', mqtt('{ <<ulr: "mqtt://h" }'), 'sources[0].broker.ulr', 'unknown key', '"url"'],
  [
    'in another form of it',
    mqtt('{ embedded: { <<lisen: "127.0.0.1:0" } }'),
    'sources[0].broker.embedded.lisen',
    'unknown key',
    '"listen"',
  ],
  [
    'in the entry of a map',
    nameplate('bearings: { de: { <<bals: 9, ballDiameterMm: 3, pitchDiameterMm: 20 } }'),
    'machines[0].nameplate.bearings.de.bals',
    'unknown key',
    '"balls"',
  ],
  ['or all of them', `${GOOD}http: { <<colour: red }`, 'http.colour', '"colour"', 'known keys here: listen'],
]);

cases('a value of the wrong type', [
  [
    'text for a number',
    nameplate('speedRpm: <<1780 rpm'),
    'machines[0].nameplate.speedRpm',
    'expected a number, found text',
    'without a unit',
  ],
  ['a number for text', `${GOOD}machines: [ { id: <<7 } ]`, 'machines[0].id', 'expected text', 'in quotes'],
  ['a block for a list', `${GOOD}machines: <<{ id: a }`, 'machines', 'found a block of keys', '"- "'],
  ['text for a block', `${GOOD}http: <<here`, 'http', 'expected a block of keys, found text', 'listen'],
  ['nothing at all', `${GOOD}sources: <<~`, 'sources', 'has no value', 'Where signals come from'],
  [
    'a fraction for a whole number',
    modbus(`${TCP}, port: <<50.2`),
    'sources[0].connection.port',
    'expected a whole number',
    '1 to 65535',
  ],
  ['a number for a word', `${GOOD}log: { level: <<3 }`, 'log.level', 'found a number', 'trace, debug, info'],
]);

cases('a value outside its range', [
  ['too big', modbus(`${TCP}, port: <<70000`), 'sources[0].connection.port', 'at most 65535', '1 to 65535'],
  ['too small', nameplate('speedRpm: <<0'), 'machines[0].nameplate.speedRpm', 'more than 0', 'above 0'],
  [
    'too few entries',
    `${GOOD}sources: [ { id: a, type: mqtt, broker: embedded, subscriptions: <<[] } ]`,
    'sources[0].subscriptions',
    'at least 1 entry',
    'What to listen to',
  ],
  ['an unknown word', `${GOOD}log: { level: <<inf }`, 'log.level', '"inf" is not known', '"info"'],
  [
    'an id with a blank',
    `${GOOD}machines: [ { id: <<pump 1 } ]`,
    'machines[0].id',
    'use letters',
    'First part',
  ],
]);

cases('a duration, a size, an address', [
  [
    'a duration without a unit',
    `${GOOD}analysis: { ring: <<20 }`,
    'analysis.ring',
    'expected a duration with its unit, found a number',
    '1s to 10min',
  ],
  ['of no known unit', `${GOOD}analysis: { ring: <<9 ells }`, 'analysis.ring', 'not a duration', '500ms'],
  ['out of range', `${GOOD}analysis: { ring: <<20h }`, 'analysis.ring', 'outside 1s to 10min', '1s to 10min'],
  [
    'a size without a unit',
    'gateway: { id: g }\nstorage: { path: /x, budget: <<8 }',
    'storage.budget',
    'expected a size',
    '8GiB',
  ],
  [
    'a size that is none',
    'gateway: { id: g }\nstorage: { path: /x, budget: <<much }',
    'storage.budget',
    'not a size',
    '8GiB',
  ],
  [
    'a size too small',
    'gateway: { id: g }\nstorage: { path: /x, budget: <<1KiB }',
    'storage.budget',
    'less than 16MiB',
    '16MiB',
  ],
  ['a port alone', `${GOOD}http: { listen: <<8080 }`, 'http.listen', 'expected host:port', '127.0.0.1:8080'],
  [
    'no such port',
    `${GOOD}http: { listen: <<127.0.0.1:99999 }`,
    'http.listen',
    'host:port',
    '127.0.0.1:8080',
  ],
]);

cases('a kind', [
  [
    'of source, misspelt',
    `${GOOD}sources: [ { id: a, type: <<modbuss } ]`,
    'sources[0].type',
    '"modbuss" is not known',
    '"modbus"',
  ],
  [
    'of source, unknown',
    `${GOOD}sources: [ { id: a, type: <<opcua } ]`,
    'sources[0].type',
    '"opcua" is not known',
    'modbus, mqtt',
  ],
  [
    'of source, a number',
    `${GOOD}sources: [ { id: a, type: <<5 } ]`,
    'sources[0].type',
    'found a number',
    'modbus, mqtt',
  ],
  ['of source, missing', `${GOOD}sources: [ <<{ id: a } ]`, 'sources[0].type', 'is missing', 'modbus, mqtt'],
  [
    'of transport',
    modbus('transport: <<tpc, host: a'),
    'sources[0].connection.transport',
    '"tpc" is not known',
    '"tcp"',
  ],
  [
    'of payload',
    mqtt('embedded', '{ kind: <<jsn, unit: g }'),
    'sources[0].subscriptions[0].payload.kind',
    '"jsn" is not known',
    '"json"',
  ],
  ['of broker', mqtt('<<embeded'), 'sources[0].broker', '"embeded" is not known', '"embedded"'],
]);

cases('a key that is missing', [
  ['at the top', '<<gateway: { id: gw-1 }', 'storage', 'is missing', 'path'],
  [
    'in a block',
    modbus('transport: tcp').replace('connection', '<<connection'),
    'sources[0].connection.host',
    'is missing',
    'Host name',
  ],
  ['one of two', mlflow('<<auth: { username: a }'), 'sync.mlflow.auth.password', 'is missing', 'password'],
  [
    'where one of several has to stand',
    `${GOOD}alarms: [ <<{ id: a, point: x.y } ]`,
    'alarms[0]',
    'one condition',
    'alarms[]',
  ],
]);

cases('an id that is there twice', [
  [
    'of a machine',
    `${GOOD}machines:\n  - { id: pump-1 }\n  - { id: <<pump-1 }`,
    'machines[1].id',
    'taken by machines[0] in line 4',
    'an id of its own',
  ],
  [
    'of an alarm',
    `${GOOD}alarms:\n  - { id: a, point: x.y, above: 3 }\n  - { id: <<a, point: x.z, above: 3 }`,
    'alarms[1].id',
    'taken by alarms[0] in line 4',
    'an id of its own',
  ],
]);

describe('nearest', () => {
  it('finds slips, shortened and lengthened words, and nothing far away', () => {
    const known = ['url', 'username', 'password', 'embedded'];
    expect(nearest('ulr', known)).toBe('url');
    expect(nearest('user', known)).toBe('username');
    expect(nearest('Password', known)).toBe('password');
    expect(nearest('x', known)).toBeUndefined();
    expect(nearest('topic', known)).toBeUndefined();
  });
});
