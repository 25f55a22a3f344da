import { describe, expect, it } from 'vitest';
import { SparkplugHost } from '#sm/sources/sparkplug/host.js';
import { PointRules } from '#sm/sources/sparkplug/point-rules.js';
import { encodeWire } from '#sm/sources/sparkplug/proto.js';
import { sparkplugTopic } from '#sm/sources/sparkplug/topic.js';
import { ARRIVAL } from '../payloads/support.js';

// Numbers of data types (Sparkplug 3.0.0, 6.4.16).
const DOUBLE = 10;
const INT16_ARRAY = 23;

/** Ten samples of a waveform whose birth announces this sample rate. */
function waveformAt(sampleRateHz: number) {
  const nothing = () => undefined;
  const host = new SparkplugHost({
    rules: new PointRules([{ metric: 'Wave', point: 'pump.acceleration', scale: 1, offset: 0, unit: 'g' }]),
    maxNodes: 1,
    maxMetrics: 10,
    events: { rebirth: nothing, born: nothing, lost: nothing, changed: nothing },
  });
  const wave = {
    name: 'Wave',
    datatype: INT16_ARRAY,
    bytesValue: Buffer.from(Int16Array.from({ length: 10 }, (_, i) => i).buffer),
    properties: { keys: ['sampleRateHz'], values: [{ type: DOUBLE, doubleValue: sampleRateHz }] },
  };
  const birth = encodeWire({ timestamp: ARRIVAL.timeMs, seq: 0, metrics: [wave] });
  return host.take(sparkplugTopic('spBv1.0/plant/NBIRTH/edge-1')!, birth, ARRIVAL);
}

describe('the sample rate that a birth announces', () => {
  it('makes a waveform of an array', () => {
    const [block] = waveformAt(1e-3).blocks;
    expect(block).toMatchObject({ point: 'pump.acceleration', sampleRateHz: 1e-3 });
    expect(block!.samples).toEqual(Float32Array.from({ length: 10 }, (_, i) => i));
  });

  // The blocks of such a rate would begin before all time.
  it.each([0, -1, 5e-324, 1e-306, 0.9e-3, 10e6 + 1, 1e300, Number.NaN])(
    'is none where it is %d Hz',
    (rate) => {
      expect(() => waveformAt(rate)).toThrow(
        expect.objectContaining({
          code: 'PAYLOAD_INVALID',
          message: expect.stringContaining('Wave is an array without a sample rate'),
        }),
      );
    },
  );
});
