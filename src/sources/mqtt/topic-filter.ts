/**
 * Topic filters with named wildcards: `plant/{machine}/{position}/vibration` subscribes to
 * `plant/+/+/vibration` and remembers what each level was called (MQTT 3.1.1, 4.7 Topic Names and Topic Filters).
 */

const NAME = /^\{([A-Za-z][A-Za-z0-9_]*)\}$/;

export interface TopicPattern {
  /** As the broker gets it: `plant/+/+/vibration`. */
  readonly filter: string;
  /** Names of the levels, in order of their first appearance. */
  readonly names: readonly string[];
  /** The levels that named wildcards stand for, by name; undefined where the topic does not match. */
  match(topic: string): Readonly<Record<string, string>> | undefined;
}

/** What is wrong with a filter, or undefined. */
export function topicFilterFault(text: string): string | undefined {
  if (text.length === 0) return 'a topic filter is never empty';
  if (Buffer.byteLength(text) > 65_535) return 'a topic filter has at most 65535 bytes';
  if (text.includes('\0')) return 'a topic filter has no NUL character';
  const levels = text.split('/');
  const seen = new Set<string>();
  for (const [index, level] of levels.entries()) {
    if (level === '#') {
      if (index !== levels.length - 1) return '"#" stands only at the end of a topic filter';
      continue;
    }
    if (level === '+') continue;
    const name = NAME.exec(level)?.[1];
    if (name !== undefined) {
      if (seen.has(name)) return `{${name}} stands twice`;
      seen.add(name);
      continue;
    }
    if (/[+#]/.test(level)) return `"${level}": a wildcard fills a whole level`;
    if (/[{}]/.test(level)) return `"${level}": a named wildcard fills a whole level, such as {machine}`;
  }
  return undefined;
}

/** Compiles a filter that `topicFilterFault` found nothing wrong with. */
export function topicPattern(text: string): TopicPattern {
  const levels = text.split('/');
  const nameOf = levels.map((level) => NAME.exec(level)?.[1]);
  const filterLevels = levels.map((level, index) => (nameOf[index] === undefined ? level : '+'));
  const open = filterLevels[filterLevels.length - 1] === '#';
  const fixed = open ? filterLevels.length - 1 : filterLevels.length;

  return {
    filter: filterLevels.join('/'),
    names: nameOf.filter((name) => name !== undefined),
    match(topic) {
      // [MQTT-4.7.2-1] a filter that starts with a wildcard does not match topics that start with "$".
      if (topic.startsWith('$') && (filterLevels[0] === '+' || filterLevels[0] === '#')) return undefined;
      const actual = topic.split('/');
      if (open ? actual.length < fixed : actual.length !== fixed) return undefined;
      const found: Record<string, string> = {};
      for (let i = 0; i < fixed; i++) {
        const expected = filterLevels[i]!;
        const level = actual[i]!;
        const name = nameOf[i];
        if (name !== undefined) found[name] = level;
        else if (expected !== '+' && expected !== level) return undefined;
      }
      return found;
    },
  };
}

const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_]*)\}/g;

/** The names in a point template, `{machine}.{position}.acceleration` → `machine`, `position`. */
export const templateNames = (template: string): string[] =>
  [...template.matchAll(PLACEHOLDER)].map((match) => match[1]!);

/**
 * A topic level as a segment of a point's name: what the alphabet of point names does not have becomes `-`.
 * Empty where nothing usable is left.
 */
export const pointSegment = (level: string): string =>
  level.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+|-+$/g, '');

export const fillTemplate = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(PLACEHOLDER, (_, name: string) => values[name] ?? '');
