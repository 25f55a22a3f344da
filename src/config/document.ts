import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLWarning,
} from 'yaml';

/** One thing that is wrong with a config, in the words of the person who has to mend it. */
export interface ConfigFault {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** `sources[0].units[1].unitId`; empty where no key is concerned. */
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** The way to a key: `['sources', 0, 'units', 1, 'points']`. */
export type KeyPath = readonly (string | number)[];

/** A place in a config file, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A config file, read but not yet checked: plain values, and for each key the place where a person wrote it. */
export interface ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  /** Place of a key or its value, or of the nearest key above it that stands in the file. */
  locate(path: KeyPath, what?: 'key' | 'value'): Place;
  /** A text without what came from the environment or from a file: it may be a secret, and messages are logged. */
  conceal(text: string): string;
}

const ENVIRONMENT = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
const FILE_TAG = '!file';
/** A secret or a certificate is small; a larger file is a mistake. */
const FILE_LIMIT_BYTES = 1 << 20;

/**
 * Reads YAML text. `${NAME}` stands for a variable of `environment`, `!file PATH` for the content of a file
 * (relative to the config file). Faults go to `faults`; the value is undefined where the YAML itself is broken.
 */
export function readDocument(
  file: string,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  faults: ConfigFault[],
): ConfigDocument {
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    customTags: [{ tag: FILE_TAG, resolve: (path: string) => path }],
  });
  // A tag that nobody knows is only a warning to YAML; here it is a slip in `!file`, and the path would be the secret.
  for (const problem of [...document.errors, ...document.warnings]) {
    const { message, hint } = inPlainWords(problem);
    faults.push({ file, ...place(problem.pos[0]), key: '', message, hint });
  }
  const referred = new Map<string, string>();
  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string') return;
      const fault = (message: string, hint: string) =>
        faults.push({
          file,
          ...place(node.range?.[0] ?? 0),
          key: formatKey(keyPathOf([...ancestors, node])),
          message,
          hint,
        });
      if (node.tag === FILE_TAG) {
        const path = node.value;
        node.value = readReferencedFile(file, path, fault);
        if (node.value !== path) referred.set(node.value as string, `${FILE_TAG} ${path}`);
      } else node.value = substitute(node.value, environment, referred, fault);
    },
    Alias(_key, node, ancestors) {
      if (node.resolve(document) !== undefined) return;
      const hint = `write &${node.source} before the value that *${node.source} is to repeat, or put "*${node.source}" in quotes`;
      const message = `there is no &${node.source} before this`;
      const key = formatKey(keyPathOf([...ancestors, node]));
      faults.push({ file, ...place(node.range?.[0] ?? 0), key, message, hint });
    },
  });
  return {
    file,
    value: document.errors.length > 0 ? undefined : plainValue(document, file, faults),
    locate: (path, what = 'key') => place(offsetOf(document, path, what)),
    conceal: (text) => conceal(text, referred),
  };
}

/** Plain values; undefined, and a fault, where aliases do not resolve or multiply beyond all measure. */
function plainValue(document: Document, file: string, faults: ConfigFault[]): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    if (faults.length === 0) {
      const message = 'aliases (*name) repeat too much of the file';
      faults.push({ file, line: 1, column: 1, key: '', message, hint: 'write the values out' });
    }
    return undefined;
  }
}

/** YAML's message, without what it quotes of the file (it may be a secret), and what to do. */
function inPlainWords({ code, message }: YAMLError | YAMLWarning): { message: string; hint: string } {
  switch (code) {
    case 'DUPLICATE_KEY':
      return {
        message: 'this key stands twice in its block',
        hint: 'a key may stand only once in its block; remove or rename one of them',
      };
    case 'TAB_AS_INDENT':
      return { message: 'a tab indents this line', hint: 'indent with spaces, not with tabs' };
    case 'MULTIPLE_DOCS':
      return {
        message: 'a second document starts here',
        hint: 'a config is one document: remove the line ---',
      };
    case 'TAG_RESOLVE_FAILED':
      return {
        message: 'unknown tag',
        hint: `the only tag is ${FILE_TAG} PATH (the content of a file); put a text that starts with "!" in quotes`,
      };
    default:
      return {
        message: message.replace(/: ".*"$/s, ''),
        hint: 'this line, or the one before it, is not valid YAML; look at indentation, colons, quotes and brackets',
      };
  }
}

function conceal(text: string, referred: ReadonlyMap<string, string>): string {
  const longestFirst = [...referred].sort(([a], [b]) => b.length - a.length);
  return longestFirst.reduce((shown, [value, reference]) => {
    // A short value is hidden only where it is quoted: "a" stands in every sentence.
    const [from, to] = value.length < 4 ? [`"${value}"`, `"${reference}"`] : [value, reference];
    return value === '' ? shown : shown.replaceAll(from, () => to);
  }, text);
}

type Report = (message: string, hint: string) => void;

function substitute(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  referred: Map<string, string>,
  fault: Report,
): string {
  return text.replace(ENVIRONMENT, (whole, name: string) => {
    const value = environment[name];
    if (value !== undefined) {
      referred.set(value, whole);
      return value;
    }
    fault(
      `the environment variable ${name} is not set`,
      `set ${name} for the service (systemd: EnvironmentFile=), or write the value here`,
    );
    return whole;
  });
}

function readReferencedFile(file: string, path: string, fault: Report): string {
  const full = resolve(dirname(file), path);
  try {
    const content = readFileSync(full);
    if (content.length > FILE_LIMIT_BYTES) throw new Error(`it is larger than ${FILE_LIMIT_BYTES} bytes`);
    return content.toString('utf8').replace(/\r?\n$/, '');
  } catch (error) {
    fault(
      `the file ${full} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      'create the file, correct the path, or let the user of the service read it',
    );
    // The fault says it all; an empty value would only add a second one.
    return path;
  }
}

/** The path of a node, from the nodes above it (itself last). */
function keyPathOf(ancestors: readonly unknown[]): KeyPath {
  return ancestors.flatMap((node, depth): KeyPath => {
    if (isPair(node)) return [isScalar(node.key) ? String(node.key.value) : '?'];
    return isSeq(node) ? [node.items.indexOf(ancestors[depth + 1])] : [];
  });
}

export const formatKey = (path: KeyPath): string =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');

/** Offset in the text of the deepest step of `path` that stands in the file. */
function offsetOf(document: Document, path: KeyPath, what: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const [depth, step] of path.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) break;
      const target = what === 'value' && depth === path.length - 1 ? (pair.value ?? pair.key) : pair.key;
      if (isNode(target)) offset = target.range?.[0] ?? offset;
      next = pair.value;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
      if (isNode(next)) offset = next.range?.[0] ?? offset;
    }
    if (next === undefined) break;
    node = next;
  }
  return offset;
}
