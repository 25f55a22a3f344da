import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(resolve(ROOT, file), 'utf8');

interface Package {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

describe('the dependencies', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Package;

  it('have exact versions', () => {
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d/.test(version),
    );
    expect(loose).toEqual([]);
  });

  it('are all explained', () => {
    const page = read('docs/dependencies.md');
    expect(Object.keys(dependencies).filter((name) => !page.includes(`| ${name} |`))).toEqual([]);
  });

  it('stay below the onnxruntime-node that phones home', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { version: string }>;
    };
    const [major, minor] = packages['node_modules/onnxruntime-node']!.version.split('.').map(Number);
    expect(major).toBe(1);
    expect(minor).toBeLessThan(29);
  });

  it('come from no address that the lock file would pin', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });
});
