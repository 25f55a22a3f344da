import type { PayloadGuess } from '../../payloads/guess.js';
import { type MqttConfig, mqttConfigSchema } from '../config.js';
import { pointSegment } from '../topic-filter.js';

/** A topic with the way to read it. */
export interface ReadTopic {
  readonly topic: string;
  readonly guess: PayloadGuess;
}

/** A subscription as a config writes it. */
export interface ProposedSubscription {
  readonly filter: string;
  readonly point: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

const LEVEL_NAMES = ['machine', 'position', 'part'];
/** Segments of a point that are made of a single topic. */
const MAX_SEGMENTS = 3;

/**
 * Subscriptions for topics: topics of the same shape and payload share one, with named wildcards where they differ.
 * Only what the config schema accepts is proposed.
 */
export function proposeSubscriptions(topics: readonly ReadTopic[]): ProposedSubscription[] {
  const groups = new Map<string, ReadTopic[]>();
  for (const one of topics) {
    const levels = one.topic.split('/');
    const key = JSON.stringify([levels.length, levels.at(-1), one.guess.config]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()]
    .map((group) => propose(group))
    .filter((one): one is ProposedSubscription => one !== undefined && isAccepted(one));
}

function propose(group: readonly ReadTopic[]): ProposedSubscription | undefined {
  const split = group.map(({ topic }) => topic.split('/'));
  const first = split[0]!;
  const { guess } = group[0]!;
  let named = 0;
  const levels = first.map((level, i) => {
    if (split.every((other) => other[i] === level))
      return { filter: level, segment: pointSegment(level), wild: false };
    const name = guess.names.includes(LEVEL_NAMES[named]!) ? undefined : LEVEL_NAMES[named];
    const wild = `{${name ?? `level${i + 1}`}}`;
    named++;
    return { filter: wild, segment: wild, wild: true };
  });
  // What all have in common before the first difference says nothing about the machine.
  const firstWild = levels.findIndex(({ wild }) => wild);
  const telling = levels.slice(firstWild === -1 ? 0 : firstWild).map(({ segment }) => segment);
  const own = guess.names.map((name) => `{${name}}`);
  const channel = guess.channels.length > 0 ? ['{channel}'] : [];
  const usable = [...own, ...telling.filter((segment) => segment !== '')];
  const segments = [
    ...(firstWild === -1 ? usable.slice(-Math.max(1, MAX_SEGMENTS - channel.length)) : usable),
    ...channel,
  ];
  const point = (segments.length < 2 ? ['mqtt', ...segments] : segments).join('.');
  return { filter: levels.map(({ filter }) => filter).join('/'), point, payload: guess.config };
}

const isAccepted = (subscription: ProposedSubscription): boolean =>
  mqttConfigSchema.safeParse({
    id: 'x',
    type: 'mqtt',
    broker: { url: 'mqtt://localhost' },
    subscriptions: [subscription],
  } satisfies Record<keyof Pick<MqttConfig, 'id' | 'type' | 'broker' | 'subscriptions'>, unknown>).success;
