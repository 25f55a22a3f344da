import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { sourceConfigSchema } from '#sm/sources/index.js';

// The complete examples of the pages about sources are configs that the gateway takes.

const DOCS = path.resolve(import.meta.dirname, '../../docs');
const pages = readdirSync(DOCS).filter((file) => /^sources-.*\.md$/.test(file));

describe.each(pages)('the complete example of docs/%s', (page) => {
  const text = readFileSync(path.join(DOCS, page), 'utf8');
  const [, yaml] = /```yaml\n(sources:[\s\S]*?)```/.exec(text) ?? [];
  const { sources } = parse(yaml ?? 'sources: []') as { sources: { id: string }[] };

  it('has sources', () => expect(sources.length).toBeGreaterThan(0));

  it.each(sources.map((source) => [source.id, source] as const))('%s', (_id, source) => {
    expect(sourceConfigSchema.safeParse(source).error?.issues).toBeUndefined();
  });
});
