import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { SourceDeps } from '../part.js';
import type { Arrival, Decoded } from '../payloads/payload.js';
import type { Condition } from './condition.js';
import type { MqttConfig } from './config.js';
import type { MqttMetrics, UnusableReason } from './mqtt-metrics.js';
import { type Route, TopicRouter } from './topic-router.js';
import { TopicWatch } from './topic-watch.js';

/** A topic whose payloads cannot be decoded is reported this often at most. */
const REPORT_INTERVAL_MS = 10 * 60_000;
/** Reports over all topics within one interval: a broken gateway upstream must not fill the log. */
const MAX_REPORTS_PER_INTERVAL = 50;

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The broker kept it from before the subscription, so its time of arrival says nothing. */
  readonly retained: boolean;
  /** The broker marks it as perhaps sent before (DUP). */
  readonly repeated: boolean;
}

/** From a message to readings and blocks: finds the decoders, counts and reports what cannot be used. */
export class Intake {
  readonly router: TopicRouter;
  /** Tells of topics that went silent or whose messages cannot be used. */
  readonly watch: TopicWatch;
  readonly #maxPayloadBytes: number;
  readonly #deps: Pick<SourceDeps, 'clock' | 'logger'>;
  readonly #metrics: MqttMetrics;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #reportsInWindow = 0;

  constructor(
    config: MqttConfig,
    deps: Pick<SourceDeps, 'clock' | 'logger'>,
    metrics: MqttMetrics,
    condition: Pick<Condition, 'trouble'>,
  ) {
    this.router = new TopicRouter(config.subscriptions, config.maxTopics);
    this.#maxPayloadBytes = config.maxPayload;
    this.#deps = deps;
    this.#metrics = metrics;
    this.watch = new TopicWatch({
      clock: deps.clock,
      maxTopics: config.maxTopics,
      silences: config.subscriptions.flatMap(({ filter, silence }) =>
        silence === undefined ? [] : [{ filter, silenceMs: silence }],
      ),
      tell: (kind, reason) => condition.trouble(kind, reason),
    });
  }

  /** What a message holds; undefined where nothing in it can be used, now or when it is sent again. */
  take({ topic, payload, retained, repeated }: Message): Decoded | undefined {
    this.#metrics.message();
    const route = this.router.route(topic);
    if (route === undefined) {
      this.#metrics.unusable('unmatched');
      return undefined;
    }
    if (route.refusal !== undefined) {
      this.#refuse(route, 'topic', new SmEdgeError('MQTT_TOPIC_REFUSED', route.refusal));
      return undefined;
    }
    if (payload.length > this.#maxPayloadBytes) {
      const message = `${payload.length} bytes are more than maxPayload (${this.#maxPayloadBytes})`;
      this.#refuse(route, 'size', new SmEdgeError('PAYLOAD_TOO_LARGE', message));
      return undefined;
    }
    const arrival: Arrival = { timeMs: this.#deps.clock.nowMs(), repeated };
    let whole: Decoded | undefined;
    let fault: SmEdgeError | undefined;
    for (const decoder of route.decoders) {
      let decoded: Decoded;
      try {
        decoded = decoder.decode(payload, arrival);
        fault ??= decoded.partial;
      } catch (thrown) {
        fault ??= toSmEdgeError(thrown, 'PAYLOAD_INVALID');
        continue;
      }
      this.#metrics.stream(decoded.gaps ?? 0, decoded.lostBlocks ?? 0);
      const part = retained && decoded.deviceTime !== true ? staleVersion(decoded) : decoded;
      whole = whole === undefined ? part : merge(whole, part);
    }
    if (fault === undefined) this.watch.seen(route, this.#deps.clock.monotonicMs());
    else this.#refuse(route, 'payload', fault);
    return whole;
  }

  #refuse(route: Route, reason: UnusableReason, error: SmEdgeError): void {
    this.#metrics.unusable(reason);
    const nowMs = this.#deps.clock.monotonicMs();
    this.watch.seen(route, nowMs, error.message);
    if (nowMs - this.#windowStartMs >= REPORT_INTERVAL_MS) {
      this.#windowStartMs = nowMs;
      this.#reportsInWindow = 0;
    }
    const due = route.lastReportMs === undefined || nowMs - route.lastReportMs >= REPORT_INTERVAL_MS;
    if (!due || this.#reportsInWindow >= MAX_REPORTS_PER_INTERVAL) {
      route.unreported++;
      return;
    }
    this.#reportsInWindow++;
    this.#deps.logger.warn(
      {
        topic: route.topic,
        code: error.code,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        ...(route.unreported === 0 ? {} : { unreported: route.unreported }),
      },
      `a message on ${route.topic} cannot be used: ${error.message}`,
    );
    route.lastReportMs = nowMs;
    route.unreported = 0;
  }
}

const merge = (a: Decoded, b: Decoded): Decoded => ({
  readings: [...a.readings, ...b.readings],
  blocks: [...a.blocks, ...b.blocks],
});

/** A retained message without a time of its own may be of yesterday: shown, but not to be judged. */
function staleVersion(decoded: Decoded): Decoded {
  const mark = <T extends Reading | SampleBlock>(item: T): T =>
    item.quality === 'good' ? { ...item, quality: 'uncertain', reason: 'stale' } : item;
  return { readings: decoded.readings.map(mark), blocks: decoded.blocks.map(mark) };
}
