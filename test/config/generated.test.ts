import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '#sm/config/load.js';

const ROOT = resolve(import.meta.dirname, '../..');

describe('what is generated from the schemas', () => {
  it('is committed as it is generated', () => {
    expect(() =>
      execFileSync(process.execPath, ['scripts/generate-config.js', '--check'], { cwd: ROOT, stdio: 'pipe' }),
    ).not.toThrow();
  });

  it('has a sample that the gateway accepts', () => {
    const file = resolve(ROOT, 'config/gateway.yaml');
    const { config } = parseConfig(file, readFileSync(file, 'utf8'), {});
    expect(config.sources.map(({ type }) => type)).toEqual(['modbus', 'serial', 'mqtt']);
  });
});
