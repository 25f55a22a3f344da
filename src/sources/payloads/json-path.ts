/**
 * The part of JSONPath (RFC 9535) that names places in a message: `$`, `.name`, `['name']`, `[0]`, `[-1]`, `[*]`.
 * No filters, no scripts: a path from a config never computes.
 */

type Step = string | number | '*';
const WILDCARD: unique symbol = Symbol('[*]');
type Segment = Exclude<Step, '*'> | typeof WILDCARD;

const SEGMENT = /\.([A-Za-z_$À-￿][\w$À-￿-]*)|\[(-?\d{1,9})\]|\[\*\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]/y;

export interface JsonPath {
  readonly text: string;
  /** What stands there; with `[*]` an array of all matches. Undefined where nothing is. */
  read(document: unknown): unknown;
}

/** Compiles a path, or gives undefined where the text is none. */
export function jsonPath(text: string): JsonPath | undefined {
  if (!text.startsWith('$')) return undefined;
  const segments: Segment[] = [];
  SEGMENT.lastIndex = 1;
  for (let position = 1; position < text.length; position = SEGMENT.lastIndex) {
    const match = SEGMENT.exec(text);
    if (match === null) return undefined;
    const name = match[1] ?? match[3] ?? match[4];
    segments.push(name ?? (match[2] === undefined ? WILDCARD : Number(match[2])));
  }
  return { text, read: (document) => follow(document, segments, 0) };
}

function follow(value: unknown, segments: readonly Segment[], from: number): unknown {
  let current = value;
  for (let i = from; i < segments.length; i++) {
    const segment = segments[i]!;
    if (typeof current !== 'object' || current === null) return undefined;
    if (segment === WILDCARD) {
      const children = Array.isArray(current) ? current : Object.values(current);
      const found = children.map((child) => follow(child, segments, i + 1));
      return found.filter((item) => item !== undefined);
    }
    if (typeof segment === 'number') {
      if (!Array.isArray(current)) return undefined;
      current = current.at(segment);
    } else {
      if (!Object.hasOwn(current, segment)) return undefined;
      current = (current as Record<string, unknown>)[segment];
    }
  }
  return current;
}
