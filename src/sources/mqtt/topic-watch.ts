import type { Clock, Timer } from '../../base/clock.js';
import type { Route } from './topic-router.js';

/** A topic is in trouble when so many of its last messages, and this share of them, could not be used. */
const HISTORY_MESSAGES = 16;
const MIN_UNUSABLE = 3;
const UNUSABLE_SHARE = 0.2;
/** Unusable messages on a topic that went silent are forgotten after this time, milliseconds. */
const FORGET_AFTER_MS = 3_600_000;
const CHECK_INTERVAL_MS = 60_000;
const MIN_CHECK_INTERVAL_MS = 100;
/** Topics that a reason names. */
const MAX_NAMED = 3;

/** What the watch remembers of a topic. */
interface Watched {
  /** Bit 0 is the last message; 1 where it could not be used. */
  history: number;
  messages: number;
  lastMs: number;
  /** Longest pause that is no silence; infinite where nobody asked. */
  silenceMs: number;
  fault: string;
}

export interface TopicWatchOptions {
  readonly clock: Clock;
  /** Filters that must not be silent, with the time that each may be, milliseconds. */
  readonly silences: readonly { readonly filter: string; readonly silenceMs: number }[];
  /** Topics that are watched; further ones are refused and counted elsewhere. */
  readonly maxTopics: number;
  /** What is wrong with the topics, as one sentence each; undefined where nothing is. */
  tell(kind: 'unusable' | 'silent', reason: string | undefined): void;
}

/**
 * Watches the topics of a source: those that went silent, and those whose messages cannot be used any more. One
 * broken message is counted and logged; a share of them degrades the source.
 */
export class TopicWatch {
  readonly #options: TopicWatchOptions;
  readonly #topics = new Map<string, Watched>();
  readonly #unusable = new Set<string>();
  /** Filters of `silences` that had no message yet, and since when they are waited for. */
  readonly #unheard: Map<string, number>;
  #sinceMs = 0;
  #timer: Timer | undefined;

  constructor(options: TopicWatchOptions) {
    this.#options = options;
    this.#unheard = new Map(options.silences.map(({ filter, silenceMs }) => [filter, silenceMs]));
  }

  /** From now on silence counts: the link is there. */
  start(): void {
    const { clock, silences } = this.#options;
    this.#sinceMs = clock.monotonicMs();
    const shortestMs = Math.min(...silences.map(({ silenceMs }) => silenceMs / 4), CHECK_INTERVAL_MS);
    const next = () => {
      this.#timer = clock.setTimer('mqtt topic watch', Math.max(shortestMs, MIN_CHECK_INTERVAL_MS), () => {
        this.check();
        next();
      });
    };
    this.#timer?.cancel();
    next();
  }

  /** While there is no link, every topic is silent: that is told otherwise. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A message of a topic that was used, or could not be (`fault` says why). */
  seen(route: Route, nowMs: number, fault?: string): void {
    let topic = this.#topics.get(route.topic);
    if (topic === undefined) {
      const { silences, maxTopics } = this.#options;
      if (this.#topics.size >= maxTopics) return;
      const asked = silences.filter(({ filter }) => route.filters.includes(filter));
      const silenceMs = Math.min(...asked.map((one) => one.silenceMs), Number.POSITIVE_INFINITY);
      for (const { filter } of asked) this.#unheard.delete(filter);
      topic = { history: 0, messages: 0, lastMs: nowMs, silenceMs, fault: '' };
      this.#topics.set(route.topic, topic);
    }
    topic.lastMs = nowMs;
    topic.history = ((topic.history << 1) | (fault === undefined ? 0 : 1)) & 0xffff;
    if (topic.messages < HISTORY_MESSAGES) topic.messages++;
    if (fault !== undefined) topic.fault = fault;
    if (topic.history === 0 && !this.#unusable.has(route.topic)) return;
    const unusable = bitsOf(topic.history);
    const troubled = unusable >= MIN_UNUSABLE && unusable >= UNUSABLE_SHARE * topic.messages;
    if (troubled === this.#unusable.has(route.topic)) return;
    if (troubled) this.#unusable.add(route.topic);
    else this.#unusable.delete(route.topic);
    this.#tellUnusable();
  }

  /** Looks for topics that went silent. */
  check(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const silent: string[] = [];
    for (const [name, topic] of this.#topics) {
      const pauseMs = nowMs - Math.max(topic.lastMs, this.#sinceMs);
      if (pauseMs > topic.silenceMs) silent.push(`${name} (${sinceText(pauseMs)})`);
      if (pauseMs > FORGET_AFTER_MS && this.#unusable.delete(name)) this.#tellUnusable();
    }
    for (const [filter, silenceMs] of this.#unheard) {
      const pauseMs = nowMs - this.#sinceMs;
      if (pauseMs > silenceMs) silent.push(`${filter} (never heard)`);
    }
    const text = silent.length === 1 ? 'a topic is silent' : `${silent.length} topics are silent`;
    this.#options.tell('silent', silent.length === 0 ? undefined : `${text}: ${named(silent)}`);
  }

  #tellUnusable(): void {
    const topics = [...this.#unusable];
    if (topics.length === 0) {
      this.#options.tell('unusable', undefined);
      return;
    }
    const { fault, history, messages } = this.#topics.get(topics[0]!)!;
    const share = `${bitsOf(history)} of the last ${messages} messages on ${topics[0]} cannot be used: ${fault}`;
    const others = topics.length === 1 ? '' : `; likewise on ${named(topics.slice(1))}`;
    this.#options.tell('unusable', share + others);
  }
}

/** Number of 1 bits in 16. */
function bitsOf(history: number): number {
  let bits = 0;
  for (let rest = history; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}

const named = (names: readonly string[]): string =>
  names.slice(0, MAX_NAMED).join(', ') + (names.length > MAX_NAMED ? ', …' : '');

/** Coarse on purpose: the reason must not change, and be told anew, with every second. */
function sinceText(ms: number): string {
  if (ms < 60_000) return 'less than a minute';
  if (ms < 3_600_000) return `${2 ** Math.floor(Math.log2(ms / 60_000))} min or more`;
  return `${2 ** Math.floor(Math.log2(ms / 3_600_000))} h or more`;
}
