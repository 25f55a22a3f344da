import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import { isSampleRate } from '../../signals/sample-rate.js';
import { BlockTiming } from '../payloads/block-timing.js';
import type { Arrival, Decoded } from '../payloads/payload.js';
import { invalidPayload } from '../payloads/text.js';
import { type ScalarRules, scalarReading } from '../scalar.js';
import { isArrayType, isNumberType, type Metric, numberOf, propertyOf, samplesOf } from './metric.js';
import type { MetricAddress, PointRules } from './point-rules.js';

/** A metric as its birth announced it. */
interface Known {
  readonly name: string;
  readonly device: string | undefined;
  readonly datatype: number;
  readonly alias: string | undefined;
  /** Undefined for a metric that is announced but not declared: its data are passed over. */
  readonly point: string | undefined;
  readonly rules: ScalarRules;
  readonly sampleRateHz: number | undefined;
  readonly timing: BlockTiming | undefined;
  last: Reading | undefined;
}

/** `quality` property of a metric, after OPC: 192 good, 0 bad, 500 stale (Sparkplug 3.0.0, 6.4.14). */
const QUALITY_GOOD = 192;
const QUALITY_STALE = 500;

/** Readings and blocks of one message, and what could not be used of it. */
export class Taken {
  readonly readings: Reading[] = [];
  readonly blocks: SampleBlock[] = [];
  /** Metrics whose alias or name no birth has announced. */
  unknown = 0;
  fault: unknown;
  gaps = 0;
  lostBlocks = 0;
}

/** The metrics of one edge node and its devices, by name and by alias. An alias is unique within the node. */
export class MetricTable {
  readonly #node: Pick<MetricAddress, 'group' | 'node'>;
  readonly #rules: PointRules;
  readonly #maxMetrics: number;
  readonly #byName = new Map<string, Known>();
  readonly #byAlias = new Map<string, Known>();

  constructor(node: Pick<MetricAddress, 'group' | 'node'>, rules: PointRules, maxMetrics: number) {
    this.#node = node;
    this.#rules = rules;
    this.#maxMetrics = maxMetrics;
  }

  /** Forgets what a birth has announced: of the node with all devices, or of one device. */
  clear(device?: string): void {
    for (const [key, known] of this.#byName) {
      if (device !== undefined && known.device !== device) continue;
      this.#byName.delete(key);
      if (known.alias !== undefined) this.#byAlias.delete(known.alias);
    }
  }

  /** A metric in an NBIRTH or DBIRTH. */
  announce(metric: Metric, device: string | undefined, out: Taken): void {
    const { name, datatype } = metric;
    if (name === undefined || datatype === undefined) {
      out.fault ??= invalidPayload('a birth announces a metric without name or data type');
      return;
    }
    if (this.#byName.size >= this.#maxMetrics) {
      out.fault ??= invalidPayload(`more than ${this.#maxMetrics} metrics (maxMetrics)`);
      return;
    }
    const ruled = isMeasured(name, datatype)
      ? this.#rules.pointOf({ ...this.#node, device, name })
      : undefined;
    if (typeof ruled === 'string') out.fault ??= invalidPayload(ruled);
    const rule = typeof ruled === 'object' ? ruled.rule : undefined;
    const engineeringUnit = propertyOf(metric, 'engUnit', 'Engineering Units', 'EngUnit');
    const unit = rule?.unit ?? (String(engineeringUnit ?? '').slice(0, 32) || '1');
    const rate = rule?.sampleRateHz ?? Number(propertyOf(metric, 'sampleRateHz') ?? Number.NaN);
    const known: Known = {
      name,
      device,
      datatype,
      alias: metric.alias,
      point: typeof ruled === 'object' ? ruled.point : undefined,
      rules: { scale: 1, offset: 0, ...rule, unit },
      ...(isSampleRate(rate)
        ? { sampleRateHz: rate, timing: new BlockTiming() }
        : { sampleRateHz: undefined, timing: undefined }),
      last: undefined,
    };
    this.#byName.set(`${device ?? ''}/${name}`, known);
    if (metric.alias !== undefined) this.#byAlias.set(metric.alias, known);
  }

  /** A value of a metric, in a birth or in data. */
  take(
    metric: Metric,
    device: string | undefined,
    sentMs: number | undefined,
    arrival: Arrival,
    out: Taken,
  ): void {
    const known =
      metric.name === undefined
        ? this.#byAlias.get(metric.alias ?? '')
        : this.#byName.get(`${device ?? ''}/${metric.name}`);
    if (known === undefined || known.device !== device) {
      out.unknown++;
      return;
    }
    if (known.point === undefined) return;
    const timeMs = metric.timestampMs ?? sentMs;
    const raw = numberOf(metric, known.datatype);
    if (raw !== undefined) {
      const reading = judged(scalarReading(known.point, timeMs ?? arrival.timeMs, raw, known.rules), metric);
      known.last = reading;
      out.readings.push(reading);
      return;
    }
    const run = samplesOf(metric, known.datatype, known.rules.scale, known.rules.offset);
    if (run === undefined || run.samples.length === 0) {
      // A birth may announce an array that has no value yet.
      if (!metric.isNull && run === undefined)
        out.fault ??= invalidPayload(`${known.name} has data type ${known.datatype}, which holds no numbers`);
      return;
    }
    if (known.timing === undefined || known.sampleRateHz === undefined) {
      out.fault ??= invalidPayload(
        `${known.name} is an array without a sample rate`,
        'declare sampleRateHz for the metric',
      );
      return;
    }
    const stamped: Decoded = known.timing.stamp([{ point: known.point, ...run }], {
      arrival,
      unit: known.rules.unit,
      sampleRateHz: known.sampleRateHz,
      startedAtMs: timeMs,
    });
    out.blocks.push(...stamped.blocks);
    out.gaps += stamped.gaps ?? 0;
    out.lostBlocks += stamped.lostBlocks ?? 0;
  }

  /** The last readings again as stale: their node or device died. */
  stale(device: string | undefined, wholeNode: boolean, timeMs: number): Reading[] {
    const readings: Reading[] = [];
    for (const known of this.#byName.values()) {
      if (known.last === undefined || (!wholeNode && known.device !== device)) continue;
      readings.push({ ...known.last, timeMs, quality: 'uncertain', reason: 'stale' });
      known.last = undefined;
    }
    return readings;
  }
}

/** Text, files, data sets and the commands that a node takes are no measured values, whatever the rules match. */
const isMeasured = (name: string, datatype: number): boolean =>
  isNumberType(datatype) || isArrayType(datatype) ? !/^(Node|Device) Control\//.test(name) : false;

/** The sender's own judgement of the value, where it gives one. */
function judged(reading: Reading, metric: Metric): Reading {
  const quality = propertyOf(metric, 'Quality', 'quality');
  if (quality === undefined || quality === QUALITY_GOOD || reading.quality === 'bad') return reading;
  return quality === QUALITY_STALE
    ? { ...reading, quality: 'uncertain', reason: 'stale' }
    : { ...reading, quality: 'bad', reason: 'device-error' };
}
