import { SmEdgeError } from '../base/errors.js';
import { type ConfigDocument, type ConfigFault, formatKey, type KeyPath } from './document.js';

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

/** A fault at a key that is wrong for a reason that no schema can express. */
export function faultAt(
  document: ConfigDocument,
  path: KeyPath,
  message: string,
  hint: string,
  what: 'key' | 'value' = 'value',
): ConfigFault {
  const place = document.locate(path, what);
  return { file: document.file, ...place, key: formatKey(path), message: document.conceal(message), hint };
}

/** The known word that needs the fewest edits, where that is few enough to be a slip; or one cut short or drawn out. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3));
  const distance = (candidate: string) => {
    const [short, long] = word.length < candidate.length ? [word, candidate] : [candidate, word];
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase());
    const begins = short.length >= 3 && long.toLowerCase().startsWith(short.toLowerCase());
    return begins ? Math.min(limit, edits) : edits;
  };
  return (
    known
      .map((candidate) => ({ candidate, edits: distance(candidate) }))
      // A slip changes a part of a short word, not all of it.
      .filter(({ candidate, edits }) => edits < Math.max(word.length, candidate.length))
      .filter(({ edits }) => edits <= limit)
      .sort((a, b) => a.edits - b.edits)[0]?.candidate
  );
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
