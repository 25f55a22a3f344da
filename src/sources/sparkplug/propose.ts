import type { HeardTopic } from '../mqtt/tools/listen.js';
import { pointSegment } from '../mqtt/topic-filter.js';
import { guessUnit } from '../payloads/guess.js';
import { decodePayload, isArrayType, isNumberType } from './metric.js';
import { sparkplugTopic } from './topic.js';

export interface ProposedMetric {
  readonly metric: string;
  readonly point: string;
  readonly unit: string;
  readonly sampleRateHz?: number;
}

const MAX_METRICS = 200;

/** Rules for the metrics that births (and data with names) were heard to announce. */
export function proposeMetrics(topics: readonly HeardTopic[]): ProposedMetric[] {
  const found = new Map<string, ProposedMetric>();
  for (const { topic, payloads } of topics) {
    if (sparkplugTopic(topic) === undefined) continue;
    for (const payload of payloads) {
      for (const { name, datatype = 0 } of metricsOf(payload)) {
        if (name === undefined || name === 'bdSeq' || /^(Node|Device) Control\//.test(name)) continue;
        if (!isNumberType(datatype) && !isArrayType(datatype)) continue;
        // Wildcards and braces in a name cannot be written as a rule.
        const segments = name.split('/').map(pointSegment);
        if (/[{}+#]/.test(name) || segments.includes('') || found.size >= MAX_METRICS) continue;
        found.set(name, {
          metric: name,
          point: ['{device}', ...segments].join('.'),
          unit: guessUnit(name),
          ...(isArrayType(datatype) ? { sampleRateHz: 1000 } : {}),
        });
      }
    }
  }
  return [...found.values()];
}

function metricsOf(payload: Uint8Array) {
  try {
    return decodePayload(payload).metrics;
  } catch {
    return [];
  }
}
