import { topicPattern } from './topic-filter.js';

/** What a client may do: topic filters, `{username}` and `{clientId}` filled in. */
export interface AccessRules {
  readonly publish?: readonly string[] | undefined;
  readonly subscribe?: readonly string[] | undefined;
}

/** Whether everything that `asked` matches is matched by `allowed` too (MQTT 3.1.1, 4.7). */
export function covers(allowed: string, asked: string): boolean {
  const [own, other] = [allowed.split('/'), asked.split('/')];
  if (asked.startsWith('$') && (own[0] === '#' || own[0] === '+')) return false;
  for (const [i, level] of own.entries()) {
    if (level === '#') return true;
    const wanted = other[i];
    if (wanted === undefined || wanted === '#') return false;
    if (level !== '+' && level !== wanted) return false;
  }
  // "a/#" includes "a" itself, so it asks for more than "a".
  return own.length === other.length;
}

/** The rights of one client. Without rules everything is allowed. */
export class Access {
  readonly #publish;
  readonly #subscribe;

  constructor(rules: AccessRules, username: string, clientId: string) {
    const fill = (filter: string) =>
      filter
        .split('/')
        .map((level) => (level === '{username}' ? username : level === '{clientId}' ? clientId : level))
        .join('/');
    // A name with wildcards or levels of its own would give itself rights.
    const isSafe = (filter: string) =>
      !/[+#/]/.test(
        (filter.includes('{username}') ? username : '') + (filter.includes('{clientId}') ? clientId : ''),
      );
    const filled = (filters: readonly string[] | undefined) => filters?.filter(isSafe).map(fill);
    this.#publish = filled(rules.publish)?.map(topicPattern);
    this.#subscribe = filled(rules.subscribe);
  }

  mayPublish(topic: string): boolean {
    return this.#publish === undefined || this.#publish.some((pattern) => pattern.match(topic) !== undefined);
  }

  maySubscribe(filter: string): boolean {
    return this.#subscribe === undefined || this.#subscribe.some((allowed) => covers(allowed, filter));
  }
}
