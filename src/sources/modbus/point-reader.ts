import type { Clock } from '../../base/clock.js';
import type { QualityReason } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import { scalarReading } from '../scalar.js';
import type { PlacedPoint } from './config-point.js';
import type { PlannedRequest } from './plan.js';
import { isBitTable } from './protocol.js';
import { decodeText, textValue } from './text.js';
import { decodeBit, decodeValue } from './values.js';

/** A value that does not change beyond its deadband is reported this often all the same. */
const DEADBAND_SILENCE_MS = 60_000;

export type Planned = PlannedRequest<PlacedPoint>;

/** Turns answers into readings: decoded, judged, and left out where they did not change. */
export class PointReader {
  readonly #clock: Clock;
  readonly #onText: (point: string, text: string) => void;
  readonly #reported = new Map<string, Reading>();

  /** `onText` gets each text that a point of type string shows. */
  constructor(clock: Clock, onText: (point: string, text: string) => void) {
    this.#clock = clock;
    this.#onText = onText;
  }

  /** The readings of the data that answered a request. */
  read(request: Planned, data: Buffer): Reading[] {
    const timeMs = this.#clock.nowMs();
    const readings: Reading[] = [];
    for (const point of request.points) {
      const { config } = point;
      const raw = this.#raw(request, point, data);
      // A text without a number, such as a serial number, is shown but no value.
      if (raw === undefined) continue;
      const reading = scalarReading(config.point, timeMs, raw, config);
      if (config.deadband === undefined || this.#changed(reading, config.deadband)) readings.push(reading);
    }
    return readings;
  }

  /** Bad readings of all points of these requests. */
  lost(requests: readonly Planned[], reason: QualityReason): Reading[] {
    const timeMs = this.#clock.nowMs();
    return requests.flatMap(({ points }) =>
      points.map(({ config: { point, unit } }): Reading => {
        this.#reported.delete(point);
        return { point, timeMs, value: Number.NaN, unit, quality: 'bad', reason };
      }),
    );
  }

  #raw(request: Planned, { config, address, shape, width }: PlacedPoint, data: Buffer): number | undefined {
    const at = address - request.address;
    if (isBitTable(request.table)) return decodeBit(data, at);
    if (shape !== undefined) return decodeValue(data, at * 2, shape);
    const text = decodeText(data, at * 2, width, config.order === 'BA');
    this.#onText(config.point, text);
    const value = textValue(text, config.states);
    return Number.isNaN(value) && config.states === undefined ? undefined : value;
  }

  #changed(reading: Reading, deadband: number): boolean {
    const last = this.#reported.get(reading.point);
    const same =
      last !== undefined &&
      last.quality === reading.quality &&
      last.reason === reading.reason &&
      reading.timeMs - last.timeMs < DEADBAND_SILENCE_MS &&
      !(Math.abs(reading.value - last.value) >= deadband);
    if (!same) this.#reported.set(reading.point, reading);
    return !same;
  }
}
