import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';

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
}

const ENVIRONMENT = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
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
    customTags: [{ tag: '!file', resolve: (path: string) => path }],
  });
  for (const error of document.errors) {
    faults.push({
      file,
      ...place(error.pos[0]),
      key: '',
      message: error.message,
      hint: syntaxHint(error.code),
    });
  }
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string') return;
      const fault = (message: string, hint: string) =>
        faults.push({ file, ...place(node.range?.[0] ?? 0), key: '', message, hint });
      if (node.tag === '!file') node.value = readReferencedFile(file, node.value, fault);
      else node.value = substitute(node.value, environment, fault);
    },
  });
  return {
    file,
    value: document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 100 }),
    locate: (path, what = 'key') => place(offsetOf(document, path, what)),
  };
}

function syntaxHint(code: string): string {
  if (code === 'DUPLICATE_KEY') return 'a key may stand only once in its block; remove or rename one of them';
  if (code === 'TAB_AS_INDENT') return 'indent with spaces, not with tabs';
  return 'this line is not valid YAML; look at its indentation, colons and quotes';
}

type Report = (message: string, hint: string) => void;

function substitute(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  fault: Report,
): string {
  return text.replace(ENVIRONMENT, (whole, name: string) => {
    const value = environment[name];
    if (value !== undefined) return value;
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
