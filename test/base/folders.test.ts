import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolder } from '#sm/base/folders.js';

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sm-edge-folders-'));
});

afterEach(() => rmSync(base, { recursive: true }));

it('makes a folder and those above it, and takes one that is there', () => {
  const folder = join(base, 'a', 'b', 'c');
  makeFolder(folder, 0o750);
  expect(statSync(folder).mode & 0o777).toBe(0o750);
  makeFolder(folder);
});

it('says what is in the way', () => {
  writeFileSync(join(base, 'file'), '');
  expect(() => makeFolder(join(base, 'file'))).toThrow('EEXIST');
  expect(() => makeFolder(join(base, 'file', 'below'))).toThrow('ENOTDIR');
});

// Node's mkdir with `recursive` goes round for ever there.
it.skipIf(!existsSync('/proc/self'))('ends where no folder can be made', () => {
  expect(() => makeFolder('/proc/there-is-nothing/below')).toThrow('ENOENT');
});
