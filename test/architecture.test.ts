import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * Holds the tree to the rules of the house (docs/architecture.md): the order of the rooms, no cycles, no dead
 * files, no clock, timer, randomness or environment outside base/ and bin/, short files.
 */

const ROOT = resolve(import.meta.dirname, '..');

/** From the ground up: a room imports only from rooms before it. */
const ROOMS = [
  'base',
  'signals',
  'events',
  'sources',
  'features',
  'diagnosis',
  'scoring',
  'alarms',
  'maintenance',
  'notifications',
  'storage',
  'sync',
  'simulator',
  'config',
  'pipeline',
  'gateway.ts',
  'api',
  'console',
  'cli',
];

/** Rooms at the edge: nobody imports them, but cli starts the api. */
const EDGE = ['api', 'console', 'cli'];

const MOST_LINES = 400;

interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments and string contents, for looking for calls. */
  readonly code: string;
  readonly imports: readonly string[];
}

function filesBelow(folder: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

function withoutCommentsAndStrings(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, (match) =>
    match.startsWith('/') ? '' : "''",
  );
}

/** Paths (from the root) of the files that a file names: imports, dynamic imports, worker files. */
function importsOf(path: string, text: string): string[] {
  const found = text.matchAll(
    /(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+|new URL\(\s*)['"](\.{1,2}\/[^'"]+)['"]/g,
  );
  return [...found]
    .map((match) => relative(ROOT, resolve(ROOT, dirname(path), match[1]!)).replaceAll('\\', '/'))
    .filter((target) => /\.(js|ts)$/.test(target))
    .map((target) => target.replace(/^dist\//, 'src/').replace(/^src\/(.*)\.js$/, 'src/$1.ts'));
}

const load = (path: string): SourceFile => {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, text, code: withoutCommentsAndStrings(text), imports: importsOf(path, text) };
};

const sources = filesBelow('src', /(?<!\.d)\.ts$/).map(load);
const byPath = new Map(sources.map((file) => [file.path, file]));
const roomOf = (path: string): string => path.split('/')[1] ?? '';

describe('the house', () => {
  it('has no room that is not in the plan', () => {
    const rooms = new Set(sources.map((file) => roomOf(file.path)));
    expect([...rooms].filter((room) => !ROOMS.includes(room))).toEqual([]);
  });

  it('has no room that imports from one above it', () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter((target) => target.startsWith('src/'))
        .filter((target) => ROOMS.indexOf(roomOf(target)) > ROOMS.indexOf(roomOf(file.path)))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('lets nobody below the edge import the edge', () => {
    const wrong = sources
      .filter((file) => !EDGE.includes(roomOf(file.path)))
      .flatMap((file) => file.imports.filter((target) => EDGE.includes(roomOf(target))));
    expect(wrong).toEqual([]);
  });

  it('imports only files that exist', () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter((target) => target.startsWith('src/') && !byPath.has(target))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycles', () => {
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const walk = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
        return;
      }
      state.set(path, 'open');
      for (const target of byPath.get(path)?.imports ?? []) walk(target, [...trail, path]);
      state.set(path, 'done');
    };
    for (const file of sources) walk(file.path, []);
    expect(cycles).toEqual([]);
  });

  it('has no dead files', () => {
    const entries = [
      ...filesBelow('bin', /\.js$/),
      ...filesBelow('scripts', /\.(js|ts)$/),
      ...filesBelow('bench', /\.(js|ts)$/),
    ].map(load);
    const reached = new Set<string>();
    const walk = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const target of byPath.get(path)?.imports ?? []) walk(target);
    };
    for (const entry of entries) for (const target of entry.imports) walk(target);
    expect(sources.map((file) => file.path).filter((path) => !reached.has(path))).toEqual([]);
  });

  it('reads clock, chance and environment only in base/ and bin/', () => {
    const banned =
      /\bDate\.now\b|\bnew Date\(\s*\)|\bset(?:Timeout|Interval)\s*\(|\bMath\.random\b|\bprocess\.env\b/;
    const wrong = sources
      .filter((file) => roomOf(file.path) !== 'base')
      .filter((file) => banned.test(file.code))
      .map((file) => `${file.path}: ${banned.exec(file.code)?.[0]}`);
    expect(wrong).toEqual([]);
  });

  it('writes to the console only where a command answers', () => {
    const wrong = sources
      .filter((file) => roomOf(file.path) !== 'cli')
      .filter((file) => /\bconsole\.\w+\(|\bprocess\.std(?:out|err)\b/.test(file.code))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });

  it('keeps files short', () => {
    const long = sources
      .map((file) => ({ path: file.path, lines: file.text.split('\n').length }))
      .filter(({ lines }) => lines > MOST_LINES);
    expect(long).toEqual([]);
  });
});

describe('the tests', () => {
  const tests = filesBelow('test', /\.ts$/)
    .map(load)
    .filter((file) => file.path !== 'test/architecture.test.ts');

  it('have no stray .only and skip nothing for ever', () => {
    const wrong = tests.filter((file) => /\b(?:it|test|describe)\.(?:only|todo|skip)\(/.test(file.code));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('never sleep for a guessed time', () => {
    const sleeping =
      /await\s+new\s+Promise\s*\(\s*\(?\w*\)?\s*=>\s*setTimeout|from\s+['"](?:node:)?timers\/promises['"]/;
    // Helpers in support/ look again and again until something is there, with a deadline; a test itself does not wait.
    const wrong = tests.filter((file) => file.path.endsWith('.test.ts') && sleeping.test(file.text));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('import only files that exist', () => {
    const ofBench = filesBelow('bench', /\.d\.ts$/).map((path) => path.replace(/\.d\.ts$/, '.ts'));
    const known = new Set([...byPath.keys(), ...tests.map((file) => file.path), ...ofBench]);
    const wrong = tests.flatMap((file) =>
      file.imports
        .map((target) => target.replace(/\.js$/, '.ts'))
        .filter((target) => !known.has(target))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('native objects', () => {
  it('are kept from the garbage collector: databases are opened in storage/sqlite.ts alone', () => {
    const opening = /\bimport\s+(?!type\b)[^;]*from\s+['"]better-sqlite3['"]/;
    const wrong = [...sources, ...filesBelow('test', /\.ts$/).map(load)]
      .filter((file) => file.path !== 'src/storage/sqlite.ts')
      .filter(
        (file) => opening.test(file.text) || (/storage\//.test(file.path) && /\.iterate\(/.test(file.code)),
      );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });
});

describe('the repository', () => {
  it('has nothing at its top but what the plan names', () => {
    const allowed = new Set([
      ...['src', 'bin', 'config', 'models', 'systemd', 'scripts', 'test', 'docs', 'bench', '.ci', '.git'],
      ...['package.json', 'package-lock.json', 'tsconfig.json', 'biome.json', 'vitest.config.ts', '.npmrc'],
      ...[
        'Dockerfile.arm64',
        '.dockerignore',
        '.gitignore',
        'README.md',
        'CONTRIBUTING.md',
        'LICENSE',
        'CHANGELOG.md',
      ],
      // Made by the build and the install.
      ...['node_modules', 'dist'],
    ]);
    expect(readdirSync(ROOT).filter((name) => !allowed.has(name))).toEqual([]);
  });
});
