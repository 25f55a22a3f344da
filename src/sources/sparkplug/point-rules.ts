import { POINT_NAME } from '../../signals/point.js';
import { fillTemplate, pointSegment, topicPattern } from '../mqtt/topic-filter.js';
import type { MetricRule } from './config.js';

export interface MetricAddress {
  readonly group: string;
  readonly node: string;
  readonly device: string | undefined;
  readonly name: string;
}

export interface RuledPoint {
  readonly point: string;
  readonly rule: MetricRule;
}

/** Finds the point of a metric, and keeps two metrics from becoming the same one. */
export class PointRules {
  readonly #rules;
  readonly #owners = new Map<string, string>();

  constructor(rules: readonly MetricRule[]) {
    this.#rules = rules.map((rule) => ({ rule, pattern: topicPattern(rule.metric) }));
  }

  /** Undefined for a metric that nobody declared; a text says why one becomes no point. */
  pointOf({ group, node, device, name }: MetricAddress): RuledPoint | string | undefined {
    for (const { rule, pattern } of this.#rules) {
      if (rule.device !== undefined && rule.device !== device) continue;
      const levels = pattern.match(name);
      if (levels === undefined) continue;
      const names = { ...levels, group, node, device: device ?? node };
      const segments = Object.fromEntries(
        Object.entries(names).map(([key, level]) => [key, pointSegment(level)]),
      );
      const point = fillTemplate(rule.point, segments);
      if (point.length > 200 || !POINT_NAME.test(point))
        return `"${point.slice(0, 200)}" is no name for a point`;
      const address = [group, node, device ?? '', name].join('/');
      const owner = this.#owners.get(point) ?? address;
      if (owner !== address) return `the point ${point} already belongs to ${owner}`;
      this.#owners.set(point, address);
      return { point, rule };
    }
    return undefined;
  }
}
