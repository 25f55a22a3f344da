import { POINT_NAME } from '../../signals/point.js';
import { createDecoder, payloadChannels, payloadNames } from '../payloads/index.js';
import type { PayloadDecoder, PointOf } from '../payloads/payload.js';
import type { Subscription } from './config.js';
import { fillTemplate, pointSegment, type TopicPattern, topicPattern } from './topic-filter.js';

/** What becomes of the messages of one topic. */
export interface Route {
  readonly topic: string;
  /** The filters that match it, as they are declared. */
  readonly filters: readonly string[];
  readonly decoders: readonly PayloadDecoder[];
  /** Why the topic becomes no point, where a filter matches it all the same. */
  readonly refusal?: string;
  /** Monotonic time of the last report about this topic's payloads, and how many went unreported since. */
  lastReportMs: number | undefined;
  unreported: number;
}

interface Entry {
  readonly subscription: Subscription;
  readonly pattern: TopicPattern;
}

/** Topics without a subscription that are remembered, so that a broker's other traffic costs one look-up. */
const MAX_UNMATCHED = 4096;

/** Finds the decoders for a topic and keeps them: one decoder per topic and subscription, since decoders remember. */
export class TopicRouter {
  readonly #entries: readonly Entry[];
  readonly #maxTopics: number;
  readonly #routes = new Map<string, Route>();
  readonly #unmatched = new Set<string>();
  /** Points that were made from altered topic levels, by the topic that took the name first. */
  readonly #alteredPoints = new Map<string, string>();

  constructor(subscriptions: readonly Subscription[], maxTopics: number) {
    this.#entries = subscriptions.map((subscription) => ({
      subscription,
      pattern: topicPattern(subscription.filter),
    }));
    this.#maxTopics = maxTopics;
  }

  /** The filters to subscribe to, each once with the highest QoS that is asked for it. */
  get filters(): ReadonlyMap<string, 0 | 1 | 2> {
    const filters = new Map<string, 0 | 1 | 2>();
    for (const { subscription, pattern } of this.#entries) {
      const known = filters.get(pattern.filter) ?? 0;
      filters.set(pattern.filter, subscription.qos > known ? subscription.qos : known);
    }
    return filters;
  }

  /** The route of a topic; undefined where no subscription matches. */
  route(topic: string): Route | undefined {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known;
    if (this.#unmatched.has(topic)) return undefined;
    const route = this.#build(topic);
    if (route !== undefined) {
      if (this.#routes.size < this.#maxTopics) this.#routes.set(topic, route);
      return route;
    }
    if (this.#unmatched.size >= MAX_UNMATCHED) this.#unmatched.clear();
    this.#unmatched.add(topic);
    return undefined;
  }

  #build(topic: string): Route | undefined {
    const matches = this.#entries.flatMap(({ subscription, pattern }) => {
      const levels = pattern.match(topic);
      return levels === undefined ? [] : [{ subscription, levels }];
    });
    if (matches.length === 0) return undefined;
    const filters = matches.map(({ subscription }) => subscription.filter);
    const base = { topic, filters, lastReportMs: undefined, unreported: 0 };
    if (this.#routes.size >= this.#maxTopics) {
      return { ...base, decoders: [], refusal: `there are already ${this.#maxTopics} topics (maxTopics)` };
    }
    const decoders: PayloadDecoder[] = [];
    for (const { subscription, levels } of matches) {
      const refusal = this.#refusal(topic, subscription, levels);
      if (refusal !== undefined) return { ...base, decoders: [], refusal };
      // Undefined only for names of the payload's own: those of the topic are checked by now.
      const pointOf = (channel: string, names?: Readonly<Record<string, string>>) => {
        if (names === undefined) return pointFor(subscription, levels, channel).point;
        const { point, altered } = pointFor(subscription, { ...levels, ...names }, channel);
        const owner = altered ? this.#ownerOf(point, `${topic} ${JSON.stringify(names)}`) : undefined;
        return isPointName(point) && owner === undefined ? point : undefined;
      };
      decoders.push(createDecoder(subscription.payload, pointOf as PointOf));
    }
    return { ...base, decoders };
  }

  #refusal(
    topic: string,
    subscription: Subscription,
    levels: Readonly<Record<string, string>>,
  ): string | undefined {
    // What the payload's own names make of the point is seen with its first message.
    const own = Object.fromEntries(payloadNames(subscription.payload).map((name) => [name, 'x']));
    for (const channel of payloadChannels(subscription.payload) ?? ['']) {
      const { point, altered } = pointFor(subscription, { ...levels, ...own }, channel);
      if (!isPointName(point)) return `"${point.slice(0, 200)}" is no name for a point`;
      if (!altered || payloadNames(subscription.payload).length > 0) continue;
      // "hall 1" and "hall-1" would become the same point and mix two machines in silence.
      const owner = this.#ownerOf(point, topic);
      if (owner !== undefined) return `the point ${point} already belongs to the topic ${owner}`;
    }
    return undefined;
  }

  /** Who else has a point whose name was altered; undefined where it is free, and now `claimant` has it. */
  #ownerOf(point: string, claimant: string): string | undefined {
    const owner = this.#alteredPoints.get(point) ?? claimant;
    this.#alteredPoints.set(point, owner);
    return owner === claimant ? undefined : owner;
  }
}

const isPointName = (point: string): boolean => point.length <= 200 && POINT_NAME.test(point);

function pointFor(
  subscription: Subscription,
  levels: Readonly<Record<string, string>>,
  channel: string,
): { point: string; altered: boolean } {
  const segments: Record<string, string> = { channel };
  let altered = false;
  for (const [name, level] of Object.entries(levels)) {
    segments[name] = pointSegment(level);
    altered ||= segments[name] !== level;
  }
  return { point: fillTemplate(subscription.point, segments), altered };
}
