import type { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import type { ConfigDocument, ConfigFault, KeyPath } from './document.js';

export type { ConfigFault } from './document.js';

/** Thrown where a config cannot be used; carries every fault that was found, not the first alone. */
export class ConfigError extends SmEdgeError {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super('CONFIG_INVALID', faults.map(formatFault).join('\n'), {
      hint: 'run "sm-edge check --config FILE" after each change',
    });
    this.faults = faults;
  }
}

export function formatFault(fault: ConfigFault): string {
  const key = fault.key === '' ? '' : `${fault.key}: `;
  return `${fault.file}:${fault.line}:${fault.column}: ${key}${fault.message}\n    hint: ${fault.hint}`;
}

export const formatKey = (path: KeyPath): string =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');

/** A fault at a key that is wrong for a reason that no schema can express. */
export function faultAt(
  document: ConfigDocument,
  path: KeyPath,
  message: string,
  hint: string,
  what: 'key' | 'value' = 'value',
): ConfigFault {
  return { file: document.file, ...document.locate(path, what), key: formatKey(path), message, hint };
}

/** What zod found, with line and hint. `knownKeys` gives the keys that the block at a path may have. */
export function faultsOfIssues(
  document: ConfigDocument,
  issues: readonly z.core.$ZodIssue[],
  knownKeys: (path: KeyPath) => readonly string[],
  prefix: KeyPath = [],
): ConfigFault[] {
  return issues.flatMap((issue): ConfigFault[] => {
    const path = [...prefix, ...(issue.path as (string | number)[])];
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(path);
      return issue.keys.map((key) =>
        faultAt(document, [...path, key], `unknown key "${key}"`, unknownKeyHint(key, known), 'key'),
      );
    }
    if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
      const { options = [] } = issue as { readonly options?: readonly unknown[] };
      return [unknownKind(document, path, options)];
    }
    if (issue.code === 'invalid_union') {
      const meant = closestBranch(issue.errors);
      if (meant !== undefined) return faultsOfIssues(document, meant, knownKeys, path);
    }
    return [faultAt(document, path, messageOf(issue), hintOf(issue))];
  });
}

/** A `type` or `kind` that nobody knows. */
function unknownKind(document: ConfigDocument, path: KeyPath, options: readonly unknown[]): ConfigFault {
  const written = path.reduce<unknown>(
    (value, step) => (value as Record<string | number, unknown> | null | undefined)?.[step],
    document.value,
  );
  const known = options.map(String);
  const near = typeof written === 'string' ? nearest(written, known) : undefined;
  const hint =
    near === undefined
      ? `write one of: ${known.join(', ')}`
      : `did you mean "${near}"? Known: ${known.join(', ')}`;
  const message = written === undefined ? 'is missing' : `"${String(written)}" is not known here`;
  return faultAt(document, path, message, hint);
}

/** Of a union's branches the one that came furthest: the one that the person meant. */
function closestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(0, ...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)));
  return branches
    .filter((branch) => depth(branch) > 0)
    .sort((a, b) => a.length - b.length || depth(b) - depth(a))[0];
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return /received undefined/.test(issue.message)
      ? `is missing (expected ${issue.expected})`
      : `expected ${issue.expected}`;
  }
  if (issue.code === 'invalid_union') return 'has none of the forms that are allowed here';
  return issue.message;
}

function hintOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'number'
        ? 'write a plain number, without a unit and without quotes'
        : `write a value of type ${issue.expected}; docs/configuration.md shows each key`;
    case 'invalid_value':
      return `write one of: ${issue.values.map(String).join(', ')}`;
    case 'too_small':
    case 'too_big':
      return 'choose a value inside the range; docs/configuration.md gives it with the default';
    default:
      return 'docs/configuration.md describes each key with its form, range and default';
  }
}

function unknownKeyHint(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `did you mean "${near}"?`;
  return known.length > 0 ? `known keys here: ${known.join(', ')}` : 'remove it';
}

/** The known word that needs the fewest edits, where that is few enough to be a slip. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3));
  return known
    .map((candidate) => ({ candidate, edits: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits)[0]?.candidate;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
