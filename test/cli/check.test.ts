import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-check-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function check(sections: string, ...flags: string[]) {
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, `gateway: { id: gw-1 }\nstorage: { path: ${folder}/data }\n${sections}`);
  return { file, ...(await smEdge(['check', '--config', file, ...flags])) };
}

const FREE = 'http: { listen: 127.0.0.1:0 }\n';

describe('sm-edge check', () => {
  it('accepts a good config with exit code 0', async () => {
    const { code, stdout } = await check(FREE);
    expect(code).toBe(0);
    expect(stdout).toContain('good');
  });

  it.each([
    ['an unknown key', `${FREE}log: { levle: info }\n`, 4, 'log.levle', 'did you mean "level"'],
    ['a wrong type', `${FREE}machines: pump\n`, 4, 'machines', 'hint:'],
    ['an id twice', `${FREE}machines: [ { id: a }, { id: a } ]\n`, 4, 'machines[1].id', 'an id of its own'],
    [
      'a missing file',
      `${FREE}sync: { mlflow: { trackingUri: "http://m", auth: { token: !file none } } }\n`,
      4,
      'none',
      'hint:',
    ],
  ])('refuses %s with exit code 2, line, key and hint', async (_name, sections, line, key, hint) => {
    const { code, stdout, stderr, file } = await check(sections);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(`${file}:${line}:`);
    expect(stderr).toContain(key);
    expect(stderr).toContain(hint);
  });

  it('finds a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, stderr, file } = await check(`http: { listen: 127.0.0.1:${port} }\n`);
    server.close();
    expect(code).toBe(2);
    expect(stderr).toContain(`${file}:3:`);
    expect(stderr).toContain('the port is taken');
    expect(stderr).toContain('ss -ltnp');
  });

  it('prints every fault, in a form that an editor can follow', async () => {
    const { code, stderr, file } = await check(`${FREE}log: { levle: info }\nanalysis: { ring: 20 }\n`);
    expect(code).toBe(2);
    expect(stderr).toBe(`${file}:4:8: log.levle: unknown key "levle"
    hint: did you mean "level"?
${file}:5:19: analysis.ring: expected a duration with its unit, found a number
    hint: write a duration with its unit (1s to 10min), such as 500ms, 10s, 5min. Raw signal kept in memory for each waveform point
sm-edge: the config has 2 faults
`);
  });

  it('takes an address for what it is', async () => {
    const broker = (listen: string) =>
      `sources: [ { id: b, type: mqtt, broker: { embedded: { listen: "${listen}" } }, subscriptions: [ { filter: a, point: a.b, payload: { kind: number, unit: g } } ] } ]\n`;
    const port = await freePort();
    const twice = await check(`http: { listen: 0.0.0.0:${port} }\n${broker(`127.0.0.1:${port}`)}`);
    expect(twice.code).toBe(2);
    expect(twice.stderr).toContain(`${twice.file}:4:`);
    expect(twice.stderr).toContain(`port ${port} is taken by http.listen in line 3`);
    // Every address 127.x.x.x is of this machine: two listeners do not disturb each other.
    const apart = await check(`http: { listen: 127.0.0.1:${port} }\n${broker(`127.0.0.2:${port}`)}`);
    expect(apart).toMatchObject({ code: 0, stderr: '' });
    // TEST-NET-1 (RFC 5737) is nobody's.
    const elsewhere = await check(`http: { listen: 192.0.2.1:${port} }\n`);
    expect(elsewhere.code).toBe(2);
    expect(elsewhere.stderr).toContain('not of this machine');
  });

  it('finds a data folder that is none', async () => {
    writeFileSync(join(folder, 'data'), '');
    const { code, stderr, file } = await check(FREE);
    expect(code).toBe(2);
    expect(stderr).toContain(`${file}:2:18: storage.path: ${folder}/data is a file, not a folder`);
  });

  it('says so where there is no config', async () => {
    const { code, stderr } = await smEdge(['check', '--config', join(folder, 'none.yaml')]);
    expect(code).toBe(2);
    expect(stderr).toContain('none.yaml');
    expect(stderr).toContain('hint:');
  });

  it('prints one JSON document and nothing else with --json', async () => {
    const { code, stdout, stderr } = await check(`${FREE}log: { levle: info }\n`, '--json');
    expect(code).toBe(2);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, faults: [{ line: 4, key: 'log.levle' }] });
    const good = await check(FREE, '--json');
    expect(JSON.parse(good.stdout)).toMatchObject({ ok: true, faults: [] });
  });

  it('ends with 2 on wrong usage', async () => {
    expect((await smEdge(['check'])).code).toBe(2);
    const unknown = await smEdge(['chekc']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("unknown command 'chekc'\n(Did you mean check?)");
    expect((await smEdge(['check', '--config'])).code).toBe(2);
    expect((await smEdge([])).code).toBe(2);
    expect((await smEdge(['--help'])).code).toBe(0);
  });

  it('says wrong usage as JSON too, with --json', async () => {
    for (const args of [
      ['alarms', 'bogus'],
      ['alarms', 'ack'],
      ['check', '--cofig', 'x'],
    ]) {
      const { code, stdout } = await smEdge([...args, '--json']);
      expect(code, args.join(' ')).toBe(2);
      expect(JSON.parse(stdout), args.join(' ')).toMatchObject({ ok: false, error: { code: 'USAGE' } });
    }
  });
});
