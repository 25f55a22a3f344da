import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, type ConfigFault } from '#sm/config/faults.js';
import { parseConfig } from '#sm/config/load.js';

const GOOD = `gateway: { id: gw-1 }
storage: { path: /tmp/x }
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function faultsOf(text: string, environment: Record<string, string> = {}): readonly ConfigFault[] {
  try {
    parseConfig(join(folder, 'gateway.yaml'), text, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

/** The only fault of a text; each has a place and a hint. */
function faultOf(text: string, environment: Record<string, string> = {}): ConfigFault {
  const faults = faultsOf(text, environment);
  expect(faults).toHaveLength(1);
  const fault = faults[0]!;
  expect(fault.file).toContain('gateway.yaml');
  expect(fault.line).toBeGreaterThan(0);
  expect(fault.column).toBeGreaterThan(0);
  expect(fault.hint).not.toBe('');
  return fault;
}

describe('a config', () => {
  it('is parsed, with its defaults, and frozen', () => {
    const { config, hash } = parseConfig('gateway.yaml', GOOD, {});
    expect(config.http.listen).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(config.storage.budget).toBe(8 * 2 ** 30);
    expect(Object.isFrozen(config.storage.keep)).toBe(true);
    expect(parseConfig('gateway.yaml', `# a comment\n${GOOD}`, {}).hash).toBe(hash);
  });

  it('names the nearest known key for an unknown one, at its line', () => {
    expect(faultOf(`${GOOD}http: { lisen: 127.0.0.1:80 }\n`)).toMatchObject({
      line: 3,
      key: 'http.lisen',
      hint: expect.stringContaining('"listen"'),
    });
  });

  it('finds an unknown key deep in the entry of a source by the kind of that source', () => {
    const fault = faultOf(`${GOOD}sources:
  - id: bus
    type: modbus
    connection: { transport: tcp, host: 10.0.0.7, port: 502 }
    units:
      - unitId: 3
        intervall: 1s
        points:
          - { point: a.temperature, register: input, address: 1, type: int16, unit: degC }
`);
    expect(fault).toMatchObject({
      line: 9,
      key: 'sources[0].units[0].intervall',
      hint: expect.stringContaining('"interval"'),
    });
  });

  it('says what a value should be', () => {
    expect(faultOf(`${GOOD}alarms: [ { id: a, point: x.y, above: "85" } ]\n`)).toMatchObject({
      line: 3,
      key: 'alarms[0].above',
      message: expect.stringContaining('number'),
    });
    expect(faultOf(`${GOOD}analysis: { ring: 20 }\n`)).toMatchObject({ key: 'analysis.ring' });
    expect(faultOf(`${GOOD}analysis: { ring: 20 parsecs }\n`).message).toContain('not a duration');
    expect(faultOf(`${GOOD}http: { listen: here }\n`).message).toContain('host:port');
    expect(faultOf('gateway: { id: gw-1 }\nstorage: { path: /x, budget: much }\n').message).toContain(
      'not a size',
    );
  });

  it('knows the kinds of source', () => {
    const fault = faultOf(`${GOOD}sources:\n  - { id: a, type: modbuss }\n`);
    expect(fault).toMatchObject({ line: 4, key: 'sources[0].type' });
    expect(`${fault.message} ${fault.hint}`).toContain('modbus');
  });

  it('says that a required key is missing', () => {
    expect(faultOf('gateway: { id: gw-1 }\n')).toMatchObject({
      key: 'storage',
      message: expect.stringContaining('missing'),
    });
  });

  it('refuses ids that are there twice', () => {
    const machine = '  - { id: pump-1, class: pump }\n';
    expect(faultOf(`${GOOD}machines:\n${machine}${machine}`)).toMatchObject({
      line: 5,
      key: 'machines[1].id',
      message: expect.stringContaining('line 4'),
    });
  });

  it('refuses a bearing that nobody knows', () => {
    const text = `${GOOD}machines:\n  - { id: p, nameplate: { bearings: { de: "none-such" } } }\n`;
    expect(faultOf(text).message).toContain('none-such');
  });

  it('reads the environment and files, and says when they are missing', () => {
    const mlflow = (auth: string) =>
      `${GOOD}sync: { mlflow: { trackingUri: "http://m:5000", auth: { token: ${auth} } } }\n`;
    expect(faultsOf(mlflow('"${TOKEN}"'), { TOKEN: 'secret' })).toEqual([]);
    expect(faultOf(mlflow('"${TOKEN}"'))).toMatchObject({
      line: 3,
      message: expect.stringContaining('TOKEN is not set'),
    });
    writeFileSync(join(folder, 'token'), 'secret\n');
    expect(faultsOf(mlflow('!file token'))).toEqual([]);
    expect(faultOf(mlflow('!file missing'))).toMatchObject({
      line: 3,
      message: expect.stringContaining('missing'),
    });
  });

  it('never shows a secret', () => {
    const text = `${GOOD}sync: { mlflow: { trackingUri: "http://m:5000", auth: { token: "\${TOKEN}", extra: 1 } } }\n`;
    const faults = faultsOf(text, { TOKEN: 'hunter2' });
    expect(faults.length).toBeGreaterThan(0);
    expect(JSON.stringify(faults)).not.toContain('hunter2');
  });

  it('places broken YAML', () => {
    expect(faultOf('gateway: { id: gw-1\n').message).not.toBe('');
    expect(faultOf(`${GOOD}gateway: { id: b }\n`)).toMatchObject({
      line: 3,
      hint: expect.stringContaining('once'),
    });
  });
});
