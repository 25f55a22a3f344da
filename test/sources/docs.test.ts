import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { sourceConfigSchema } from '#sm/sources/index.js';

// The complete examples of the pages about sources are configs that the gateway takes.

const DOCS = path.resolve(import.meta.dirname, '../../docs');
const pages = readdirSync(DOCS).filter((file) => /^sources-.*\.md$/.test(file));

describe.each(pages)('the complete examples of docs/%s', (page) => {
  const text = readFileSync(path.join(DOCS, page), 'utf8');
  const sources = [...text.matchAll(/```yaml\n(sources:[\s\S]*?)```/g)].flatMap(
    ([, yaml]) => (parse(yaml!) as { sources: { id: string }[] }).sources,
  );

  it('has sources', () => expect(sources.length).toBeGreaterThan(0));

  it.each(sources.map((source) => [source.id, source] as const))('%s', (_id, source) => {
    expect(sourceConfigSchema.safeParse(source).error?.issues).toBeUndefined();
  });
});
