import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '#sm/config/load.js';
import {
  expectFault,
  type FaultCase,
  faultOf,
  faultsOf,
  GOOD,
  mlflow,
  mqtt,
  nameplate,
} from './fault-cases.js';

/** How a config refers to the environment. */
const TOKEN = `\${${'TOKEN'}}`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('broken YAML', () => {
  const list: readonly FaultCase[] = [
    ['a tab', 'gateway:\n<<\tid: a\n', '', 'a tab', 'spaces'],
    ['a key twice', `${GOOD}<<gateway: { id: b }\n`, '', 'twice', 'once'],
    ['a wrong indentation', 'gateway:\n  id: a\n<< site: b\n', '', 'same column', 'indentation'],
    ['a bracket that is not closed', 'gateway: { id: gw-1\n<<', '', 'must', 'brackets'],
    ['two documents', `${GOOD}<<---\nlog: {}\n`, '', 'second document', '---'],
    ['an alias to nothing', `${GOOD}http: <<*web\n`, 'http', '&web', '*web'],
    ['an unknown tag', mlflow('auth: { token: <<!fil token }'), '', 'unknown tag', '!file'],
    ['nothing', '<<# only a comment\n', '', 'is empty', 'config/gateway.yaml'],
    ['a list at the top', '<<- a\n', '', 'expected a block of keys, found a list', 'gateway, storage'],
  ];
  it.each(list)('%s', (...one) => expectFault(one));

  it('aliases that multiply beyond all measure', () => {
    const bomb = Array.from(
      { length: 9 },
      (_, i) => `k${i}: &k${i} [${i === 0 ? '1' : `*k${i - 1}, `.repeat(9)}]`,
    );
    expect(faultOf(`${bomb.join('\n')}\n`).message).toContain('aliases');
  });
});

describe('a config file', () => {
  it('that is not there, or is none, is one fault', () => {
    const file = join(folder, 'none.yaml');
    expect(() => loadConfig(file, {})).toThrow(/none\.yaml:1:1: cannot be read: ENOENT/);
    expect(() => loadConfig(file, {})).toThrow(/hint: name the config with --config/);
    mkdirSync(file);
    expect(() => loadConfig(file, {})).toThrow(/cannot be read: EISDIR/);
  });

  it('may not be endless', () => {
    expect(faultOf(`# ${'x'.repeat(4 << 20)}\n`).message).toContain('4 MiB');
  });
});

describe('what a config refers to', () => {
  const list: readonly FaultCase[] = [
    [
      'a variable that is not set',
      mlflow(`auth: { token: <<"${TOKEN}" }`),
      'sync.mlflow.auth.token',
      'TOKEN is not set',
      'EnvironmentFile=',
    ],
    [
      'a file that is not there',
      mlflow('auth: { token: !file <<missing }'),
      'sync.mlflow.auth.token',
      'missing cannot be read',
      'create the file',
    ],
    [
      'a bearing that nobody knows',
      nameplate('bearings: { de: <<none-such }'),
      'machines[0].nameplate.bearings.de',
      'none-such',
      'balls',
    ],
  ];
  it.each(list)('%s', (...one) => expectFault(one));

  it('is read from the environment, or from a file beside the config', () => {
    const authOf = (text: string, environment: Record<string, string>) =>
      parseConfig(join(folder, 'gateway.yaml'), text, environment).config.sync.mlflow?.auth;
    expect(authOf(mlflow(`auth: { token: "${TOKEN}" }`), { TOKEN: 'hunter2' })).toEqual({ token: 'hunter2' });
    writeFileSync(join(folder, 'token'), 'hunter2\n');
    expect(authOf(mlflow('auth: { token: !file token }'), {})).toEqual({ token: 'hunter2' });
  });
});

describe('a secret', () => {
  it.each([
    ['in a block with another fault', mlflow(`auth: { token: "${TOKEN}", extra: 1 }`)],
    ['as a key', `${GOOD}"${TOKEN}": 1\n`],
    ['as an address', `${GOOD}http: { listen: "${TOKEN}" }\n`],
    ['as a duration', `${GOOD}analysis: { ring: "${TOKEN}" }\n`],
    ['as a kind', `${GOOD}sources: [ { id: a, type: "${TOKEN}" } ]\n`],
    ['as a bearing', nameplate(`bearings: { de: "${TOKEN}" }`)],
    ['as an id, twice', `${GOOD}machines: [ { id: "${TOKEN}" }, { id: "${TOKEN}" } ]\n`],
    ['in a url', mqtt(`"mqtt://user:${TOKEN}@host"`)],
    ['from a file', `${GOOD}http: { listen: !file token }\n`],
    ['written out, in a url', mqtt('mqtt://user:hunter2@host')],
    ['written out, in place of a block', mlflow('auth: hunter2')],
    ['written out, where the YAML is broken', 'gateway: { id: a }\n}hunter2\n'],
  ])('is not shown %s', (_where, text) => {
    writeFileSync(join(folder, 'token'), 'hunter2\n');
    const faults = faultsOf(text, { TOKEN: 'hunter2' }, join(folder, 'gateway.yaml'));
    expect(faults).not.toEqual([]);
    expect(JSON.stringify(faults)).not.toContain('hunter2');
  });

  it('is named by what stands for it', () => {
    const fault = faultOf(`${GOOD}http: { listen: "${TOKEN}" }\n`, { TOKEN: 'hunter2' });
    expect(fault.message).toContain(`"${TOKEN}"`);
  });
});
