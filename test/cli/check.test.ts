import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';

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
    expect(unknown.stderr).toContain('unknown command');
    expect((await smEdge([])).code).toBe(2);
    expect((await smEdge(['--help'])).code).toBe(0);
  });
});
