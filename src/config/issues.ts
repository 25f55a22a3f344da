import type { z } from 'zod';
import { type ConfigDocument, type ConfigFault, formatKey, type KeyPath } from './document.js';
import { faultAt, nearest } from './faults.js';
import { configSchemaNode, formInWords, keysAt, nodesAt, type SchemaNode, valueAt } from './schema-nodes.js';

type Issue = z.core.$ZodIssue;

/** A fault, with what tells whether another one of the same block says the same. */
interface Finding {
  readonly fault: ConfigFault;
  readonly parent: string;
  /** The key that is missing. */
  readonly missing?: string;
  /** The key that an unknown one is probably meant to be. */
  readonly meant?: string;
}

/** What zod found, in the words of the person who wrote the file: place, key, message, hint. */
export function faultsOfIssues(document: ConfigDocument, issues: readonly Issue[]): ConfigFault[] {
  const root = configSchemaNode();
  const findings = issues.flatMap((issue) => findingsOf(document, root, issue, []));
  // `storge:` makes storage missing as well; the technician has one slip to mend, not two.
  return findings
    .filter(
      ({ parent, missing }) =>
        missing === undefined ||
        !findings.some((other) => other.parent === parent && other.meant === missing),
    )
    .map(({ fault }) => fault);
}

function findingsOf(
  document: ConfigDocument,
  root: SchemaNode,
  issue: Issue,
  prefix: KeyPath,
): readonly Finding[] {
  const path = [...prefix, ...(issue.path as (string | number)[])];
  const value = valueAt(document.value, path);
  const parent = formatKey(path.slice(0, -1));
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(root, document.value, path);
    const free = known.filter((key) => valueAt(value, [key]) === undefined);
    return issue.keys.map((key) => {
      const meant = nearest(key, free) ?? nearest(key, known);
      const hint =
        meant === undefined
          ? known.length > 0
            ? `known keys here: ${known.join(', ')}`
            : 'remove it'
          : `did you mean "${meant}"?`;
      return {
        fault: faultAt(document, [...path, key], `unknown key "${key}"`, hint, 'key'),
        parent: formatKey(path),
        ...(meant === undefined ? {} : { meant }),
      };
    });
  }
  const node = nodesAt(root, document.value, path)[0];
  if (value === undefined && issue.code !== 'custom') {
    const key = path[path.length - 1];
    return [
      {
        fault: faultAt(document, path, 'is missing', missingHint(issue, node)),
        parent,
        ...(typeof key === 'string' ? { missing: key } : {}),
      },
    ];
  }
  if (issue.code === 'invalid_union' && issue.discriminator === undefined) {
    const meant = closestBranch(issue.errors);
    if (meant !== undefined) return meant.flatMap((inner) => findingsOf(document, root, inner, path));
  }
  return [
    {
      fault: faultAt(document, path, messageOf(issue, value, node), hintOf(issue, value, node, path)),
      parent,
    },
  ];
}

/** A branch of another kind than what was written (a list, where a block stands). */
const OTHER_KIND_COST = 100;

/** Of a union's branches the one that needs the least mending: the one that was meant. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const cost = (issues: readonly Issue[]): number => {
    const missing = issues.flatMap(({ code, path, message }) =>
      code === 'invalid_type' && /received undefined/.test(message) ? [path.map(String).join('.')] : [],
    );
    const unknown = issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => [...issue.path.map(String), key].join('.'))
        : [],
    );
    const slips = unknown.filter((key) => nearest(key, missing) !== undefined).length;
    const others = issues.length - missing.length;
    const ofOtherKind = issues.some(
      ({ path, code }) => path.length === 0 && code !== 'unrecognized_keys' && code !== 'custom',
    );
    // A slip is one thing to mend, not an unknown and a missing key.
    return 3 * unknown.length + 2 * missing.length + others - 4 * slips + (ofOtherKind ? OTHER_KIND_COST : 0);
  };
  return branches
    .map((issues) => ({ issues, cost: cost(issues) }))
    .filter((branch) => branch.cost < OTHER_KIND_COST)
    .sort((a, b) => a.cost - b.cost)[0]?.issues;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a block of keys',
  record: 'a block of keys',
};

const FORMATS: Readonly<Record<string, string>> = {
  duration: 'a duration with its unit',
  size: 'a size with its unit',
  'listen-address': 'host:port',
};

/** What was found: its kind, not the value itself, which may be a secret in the wrong place. */
function found(value: unknown): string {
  if (typeof value === 'boolean') return `found ${value}`;
  if (typeof value === 'number' && !Number.isFinite(value)) return 'found no finite number';
  return `found ${KINDS[Array.isArray(value) ? 'array' : typeof value] ?? typeof value}`;
}

function messageOf(issue: Issue, value: unknown, node: SchemaNode | undefined): string {
  if (value === null) return 'has no value';
  switch (issue.code) {
    case 'invalid_type': {
      const expected = FORMATS[node?.format ?? ''] ?? KINDS[issue.expected] ?? issue.expected;
      return `expected ${expected}, ${found(value)}`;
    }
    case 'invalid_value':
    case 'invalid_union':
      // Where only certain words may stand, a word is a slip worth showing; an address may hold a password.
      return typeof value === 'string' && /^[\w-]{1,32}$/.test(value) && wordsOf(issue, node).length > 0
        ? `"${value}" is not known here`
        : `${found(value)}, which may not stand here`;
    case 'too_small':
    case 'too_big':
      return outsideMessage(issue);
    case 'invalid_format':
      return issue.message.startsWith('Invalid ')
        ? 'is not written in the form that it needs'
        : issue.message;
    default:
      return issue.message;
  }
}

function outsideMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const limit = issue.code === 'too_small' ? issue.minimum : issue.maximum;
  const [inclusive, exclusive] =
    issue.code === 'too_small' ? ['at least', 'more than'] : ['at most', 'less than'];
  const bound = `${issue.inclusive === false ? exclusive : inclusive} ${limit}`;
  if (issue.origin === 'array') return `needs ${bound} ${Number(limit) === 1 ? 'entry' : 'entries'}`;
  if (issue.origin === 'string') return `needs ${bound} ${Number(limit) === 1 ? 'character' : 'characters'}`;
  return `must be ${bound}`;
}

/** What may stand where only certain words may. */
function wordsOf(issue: Issue, node: SchemaNode | undefined): readonly string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code !== 'invalid_union') return [];
  if (issue.discriminator === undefined) {
    return (node?.anyOf ?? []).flatMap((branch) =>
      branch.const === undefined ? [] : [String(branch.const)],
    );
  }
  const { options = [] } = issue as { readonly options?: readonly unknown[] };
  return options.map(String);
}

function missingHint(issue: Issue, node: SchemaNode | undefined): string {
  const words = wordsOf(issue, node);
  if (words.length > 0) return `write one of: ${words.join(', ')}`;
  return `add it: ${node === undefined ? 'docs/configuration.md shows each key' : sentence(node)}`;
}

function hintOf(issue: Issue, value: unknown, node: SchemaNode | undefined, path: KeyPath): string {
  const words = wordsOf(issue, node);
  const all = words.length > 1 ? `write one of: ${words.join(', ')}` : undefined;
  const near = typeof value === 'string' ? nearest(value, words) : undefined;
  const isBlock = typeof value === 'object' && value !== null;
  if (near !== undefined) return `did you mean "${near}"?${all === undefined ? '' : ` Otherwise ${all}`}`;
  if (all !== undefined && !(issue.code === 'invalid_union' && issue.discriminator === undefined)) return all;
  if (node === undefined || (issue.code === 'custom' && isBlock)) {
    return `docs/configuration.md describes the keys of ${formatKey(path).replace(/\[\d+\]/g, '[]') || 'the file'}`;
  }
  const saysForm = issue.code === 'custom' || issue.code === 'invalid_format';
  if (saysForm && node.type === 'string' && node.format === undefined && node.enum === undefined) {
    return node.description ?? 'docs/configuration.md describes this key';
  }
  const quotes =
    issue.code === 'invalid_type' &&
    issue.expected === 'string' &&
    ['number', 'boolean'].includes(typeof value);
  return `write ${quotes && node.format === undefined ? 'it in quotes, as ' : ''}${sentence(node)}`;
}

/** `a whole number (1 to 65535), without quotes. TCP port` */
const sentence = (node: SchemaNode): string =>
  `${formInWords(node)}${node.description === undefined ? '' : `. ${node.description}`}`;
