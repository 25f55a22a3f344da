import { expect, it } from 'vitest';
import { Collector } from '#sm/sources/mqtt/collector.js';
import type { Decoded } from '#sm/sources/payloads/payload.js';
import { TestSink, until } from './support.js';

const decoded = (value: number): Decoded => ({
  readings: [{ point: 'a.count', timeMs: value, value, unit: '1', quality: 'good' }],
  blocks: [],
  deviceTime: true,
  gaps: 0,
  lostBlocks: 0,
});

it('hands over together what comes in one turn of the event loop, and lets go of it in order', async () => {
  const sink = new TestSink();
  const released: number[] = [];
  const collector = new Collector<number>(sink, {
    release: (acks) => released.push(...acks),
    refused: () => undefined,
    changed: () => undefined,
  });
  for (let value = 0; value < 2_000; value++) collector.hold(decoded(value), 10, value);
  await until(() => expect(released).toHaveLength(2_000));
  // 256 at a time.
  expect(sink.deliveries).toBe(8);
  const inOrder = [...Array(2_000).keys()];
  expect(sink.readings.map(({ value }) => value)).toEqual(inOrder);
  expect(released).toEqual(inOrder);
});
