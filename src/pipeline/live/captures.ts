import { toSmEdgeError } from '../../base/errors.js';
import type { Metrics } from '../../base/metrics.js';
import { pointMatcher } from '../../signals/point-pattern.js';
import { type CaptureCut, TriggerCapture } from '../../signals/trigger-capture.js';
import type { BlockRow, Store } from '../../storage/store.js';
import type { Channel } from './channel.js';

/** What set a capture off. */
export interface CaptureCause {
  readonly trigger: 'anomaly' | 'alarm' | 'manual';
  /** When it happened, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** Shared by all events of one happening: the link from the journal to the signal and back. */
  readonly correlationId: string;
  /** The event itself, where it is known. */
  readonly eventId?: string;
  readonly alarm?: string;
  /** The point that the trigger is of, where it is another one. */
  readonly point?: string;
  /** Who asked for it, where it was a person. */
  readonly by?: string;
}

/** One stored capture: its samples are the blocks of the point in its span. The document `capture:POINT:SLOT`. */
export interface CaptureRecord {
  readonly point: string;
  readonly startTimeMs: number;
  readonly durationMs: number;
  readonly triggerTimeMs: number;
  readonly sampleRateHz: number;
  readonly unit: string;
  readonly samples: number;
  /** Why it is shorter than asked for; empty where it is not. */
  readonly cut: readonly CaptureCut[];
  readonly causes: readonly CaptureCause[];
}

export interface CaptureQuery {
  /** The name of a point, `*` standing for any part of it. */
  readonly point?: string | undefined;
  /** Those of one happening. */
  readonly correlation?: string | undefined;
  readonly limit?: number;
}

export interface CapturesDeps {
  readonly store: Pick<Store, 'write' | 'documents'>;
  readonly metrics: Metrics;
  readonly beforeMs: number;
  readonly afterMs: number;
}

interface Running {
  readonly channel: Channel;
  readonly capture: TriggerCapture;
  readonly causes: CaptureCause[];
  /** The blocks of this point are stored as they come: the samples need not be stored again. */
  readonly stored: boolean;
}

/** Captures under way at once, and their memory together: a machine hall that trips must not fill the memory. */
const MAX_RUNNING = 32;
const MAX_BYTES = 64 * 2 ** 20;
/** Records kept for a point: the newest of them; older samples stay as long as retention lets them. */
const SLOTS = 32;
const MAX_CAUSES = 16;
/** Samples of one stored block. */
const BLOCK_SAMPLES = 262_144;

export const CAPTURE_PREFIX = 'capture:';

/** Raw signal from before an event and after it, stored with what set it off. */
export class Captures {
  readonly #deps: CapturesDeps;
  readonly #running = new Map<string, Running>();
  /** The slot that the newest record of a point has, or is to have. */
  readonly #slots = new Map<string, Promise<number>>();
  readonly #count;

  constructor(deps: CapturesDeps) {
    this.#deps = deps;
    this.#count = deps.metrics.counter(
      'sm_edge_captures_total',
      'Captures of raw signal around an event, by outcome (stored, cut, refused, or the code of the error).',
      ['outcome'],
    );
  }

  /** Captures under way. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Begins a capture at the newest sample of a channel; while one is under way there, its cause is added to that.
   * Resolves when it is stored, or at once where it was refused.
   */
  begin(channel: Channel, cause: CaptureCause, stored: boolean): Promise<void> {
    const known = this.#running.get(channel.point);
    if (known !== undefined && known.channel === channel) {
      if (known.causes.length < MAX_CAUSES) known.causes.push(cause);
      return Promise.resolve();
    }
    if (known !== undefined) void this.#finish(known);
    const { sampleRateHz } = channel.spec;
    const before = Math.ceil((this.#deps.beforeMs / 1000) * sampleRateHz);
    const after = Math.ceil((this.#deps.afterMs / 1000) * sampleRateHz);
    if (before + after < 1) return Promise.resolve();
    const held = [...this.#running.values()].reduce((sum, { capture }) => sum + capture.bytes, 0);
    if (this.#running.size >= MAX_RUNNING || held + 4 * (before + after) > MAX_BYTES) {
      this.#count.inc({ outcome: 'refused' });
      return Promise.resolve();
    }
    const capture = new TriggerCapture(channel.ring, channel.ring.written, before, after);
    const running = { channel, capture, causes: [cause], stored };
    if (capture.done) return this.#save(running);
    this.#running.set(channel.point, running);
    return Promise.resolve();
  }

  /** Samples were written to a channel, or its signal broke. Gives a promise where this completed a capture. */
  advance(channel: Channel): Promise<void> | undefined {
    const running = this.#running.get(channel.point);
    return running?.capture.advance() === true ? this.#finish(running) : undefined;
  }

  /** Stores what there is of all captures under way: the gateway stops. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((running) => this.#finish(running)));
  }

  /** Those that are kept, newest first. */
  async list(query: CaptureQuery = {}): Promise<CaptureRecord[]> {
    const documents = await this.#deps.store.documents(CAPTURE_PREFIX);
    const { point = '*', correlation, limit } = query;
    const matches = pointMatcher(point);
    return documents
      .map(([, document]) => document as CaptureRecord)
      .filter((record) => matches(record.point))
      .filter(({ causes }) => !correlation || causes.some((one) => one.correlationId === correlation))
      .sort((a, b) => b.triggerTimeMs - a.triggerTimeMs)
      .slice(0, limit);
  }

  #finish(running: Running): Promise<void> {
    running.capture.end();
    this.#running.delete(running.channel.point);
    return this.#save(running);
  }

  async #save({ channel, capture, causes, stored }: Running): Promise<void> {
    const { point, spec } = channel;
    const { samples, fromIndex, triggerOffset, cut } = capture.result();
    if (samples.length === 0) {
      this.#count.inc({ outcome: 'refused' });
      return;
    }
    const { sampleRateHz, unit } = spec;
    const startTimeMs = channel.timeOf(fromIndex);
    const atMs = (index: number) => startTimeMs + (index * 1000) / sampleRateHz;
    const record: CaptureRecord = {
      point,
      startTimeMs,
      durationMs: (samples.length * 1000) / sampleRateHz,
      triggerTimeMs: atMs(triggerOffset),
      sampleRateHz,
      unit,
      samples: samples.length,
      cut,
      causes,
    };
    const [first] = causes;
    const why =
      first === undefined
        ? {}
        : { trigger: first.trigger, ...(first.eventId === undefined ? {} : { eventId: first.eventId }) };
    const blocks: BlockRow[] = [];
    for (let from = 0; !stored && from < samples.length; from += BLOCK_SAMPLES)
      blocks.push({
        point,
        startTimeMs: atMs(from),
        sampleRateHz,
        unit,
        samples: samples.slice(from, from + BLOCK_SAMPLES),
        quality: 'good',
        ...why,
      });
    try {
      const key = `${CAPTURE_PREFIX}${point}:${await this.#slotOf(point)}`;
      await this.#deps.store.write({ blocks, documents: [{ key, document: record }] });
      this.#count.inc({ outcome: cut.length === 0 ? 'stored' : 'cut' });
    } catch (thrown) {
      // Nobody waits for a capture: what the store does not take is counted.
      this.#count.inc({ outcome: toSmEdgeError(thrown).code });
    }
  }

  /** The slot that the next record takes: that of the oldest when all are used. Two at a time get two. */
  #slotOf(point: string): Promise<number> {
    const last = this.#slots.get(point) ?? this.#newestSlot(point);
    const slot = last.then((used) => (used + 1) % SLOTS);
    this.#slots.set(point, slot);
    slot.catch(() => this.#slots.delete(point));
    return slot;
  }

  /** The slot of the newest record that is stored; -1 where there is none. */
  async #newestSlot(point: string): Promise<number> {
    const documents = await this.#deps.store.documents(`${CAPTURE_PREFIX}${point}:`);
    const [newest] = documents
      .map(([key, document]) => ({
        slot: Number(key.slice(key.lastIndexOf(':') + 1)),
        timeMs: (document as CaptureRecord).triggerTimeMs,
      }))
      .sort((a, b) => b.timeMs - a.timeMs);
    return newest?.slot ?? -1;
  }
}
