import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfig } from '#sm/config/load.js';
import { SAMPLE, SAMPLE_ALTERNATIVES } from '#sm/config/sample.js';
import { SAMPLE_OF_THE_REST } from '#sm/config/sample-of-the-rest.js';

const ROOT = resolve(import.meta.dirname, '../..');
const SAMPLE_FILE = resolve(ROOT, 'config/gateway.yaml');
const reference = readFileSync(resolve(ROOT, 'docs/configuration.md'), 'utf8');

/** Cells of the tables: key, form, default, example, meaning. */
const rows = [...reference.matchAll(/^\| (\*{0,2})`(\w+)`\*{0,2} \| (.*) \|$/gm)].map(
  ([, bold, key, rest]) => {
    const [form, byDefault, example, meaning] = rest!.split(/(?<!\\) \| /).map((cell) => cell.trim());
    return { key: key!, required: bold !== '', form, byDefault, example, meaning };
  },
);

describe('what is generated from the schemas', () => {
  it('is committed as it is generated', () => {
    const check = () =>
      execFileSync(process.execPath, ['scripts/generate-config.js', '--check'], { cwd: ROOT, stdio: 'pipe' });
    expect(check).not.toThrow();
  });

  it('has a sample that the gateway accepts, with a comment for each section', () => {
    const text = readFileSync(SAMPLE_FILE, 'utf8');
    const { config } = parseConfig(SAMPLE_FILE, text, {});
    expect(config.sources.map(({ type }) => type)).toEqual(['modbus', 'serial', 'mqtt']);
    expect(parse(text)).toEqual(SAMPLE);
    for (const key of Object.keys(SAMPLE)) expect(text).toMatch(new RegExp(`^# .+\\n${key}:`, 'm'));
  });

  it.each(SAMPLE_ALTERNATIVES)('has alternatives that the gateway accepts: $at', ({ at, value }) => {
    const sample = structuredClone(SAMPLE);
    const parent = at
      .slice(0, -1)
      .reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], sample);
    (parent as Record<string, unknown>)[at[at.length - 1]!] = value;
    expect(() => parseConfig('gateway.yaml', stringify(sample), {})).not.toThrow();
  });

  it('takes its further examples from a config that the gateway accepts', () => {
    const environment = { NODE_1_PASSWORD: 'a', MQTT_PASSWORD: 'b', MLFLOW_TOKEN: 'c' };
    expect(() => parseConfig('rest.yaml', stringify(SAMPLE_OF_THE_REST), environment)).not.toThrow();
  });

  it('describes each key, and shows an example of each that has to be written', () => {
    expect(rows.length).toBeGreaterThan(200);
    expect(rows.filter(({ meaning }) => !meaning).map(({ key }) => key)).toEqual([]);
    const mute = rows.filter(
      ({ required, form, example }) => required && !/block|map/.test(form!) && !example,
    );
    expect(mute.map(({ key }) => key)).toEqual([]);
  });

  it('has no section twice and none without keys', () => {
    const headings = reference.match(/^#{2,} .*$/gm)!;
    expect(new Set(headings).size).toBe(headings.length);
    const sections = reference.split(/^#{2,} /m).slice(1);
    for (const section of sections) expect(section).toMatch(/^\| key |^The same keys as /m);
  });
});
