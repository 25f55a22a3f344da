import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { SampleRing } from '#sm/signals/ring-buffer.js';

const RING = fileURLToPath(import.meta.resolve('#sm/signals/ring-buffer.js'));

/** Writes blocks of many lengths as fast as it can; each sample tells its index. Marks a gap now and then. */
const WRITER = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(({ SampleRing }) => {
    const ring = SampleRing.attach(workerData.handle);
    let state = 1;
    while (ring.written < workerData.total) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const length = 1 + (state >>> 16) % 700;
      if (state % 997 === 0) ring.markGap();
      const start = ring.written;
      ring.write(Float32Array.from({ length }, (_, i) => (start + i) % 1000003));
    }
    parentPort.postMessage(ring.written);
  });
`;

it('never gives a torn window while another thread writes', { timeout: 60_000 }, async () => {
  const ring = SampleRing.create(5000, 2000);
  const total = 5_000_000;
  const writer = new Worker(WRITER, { eval: true, workerData: { module: RING, handle: ring.handle, total } });
  let finished = false;
  writer.once('message', () => {
    finished = true;
  });
  const failed = new Promise<never>((_, reject) => writer.once('error', reject));
  let [whole, torn, refused] = [0, 0, 0];
  const readAlong = async () => {
    for (let round = 1; !finished; round++) {
      const length = 1 + ((round * 7919) % 2000);
      // Sometimes the newest window, sometimes one that the writer is just about to reach.
      const from = round % 2 === 0 ? ring.written - length : ring.oldest + (round % 50);
      try {
        const window = ring.read(Math.max(0, from), length);
        const first = window[0]!;
        let sound = true;
        for (let i = 0; i < length; i++) sound &&= window[i] === (first + i) % 1_000_003;
        sound &&= first === Math.max(0, from) % 1_000_003;
        if (!ring.isIntact(Math.max(0, from))) torn++;
        else if (sound) whole++;
        else throw new Error(`window of ${length} from ${from} is torn and was not told`);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === undefined || !['RING_OVERRUN', 'RING_GAP', 'RING_WINDOW'].includes(code)) throw error;
        refused++;
      }
      if (round % 64 === 0) await new Promise(setImmediate);
    }
  };
  try {
    await Promise.race([readAlong(), failed]);
  } finally {
    await writer.terminate();
  }
  expect(ring.written).toBeGreaterThanOrEqual(total);
  expect(whole).toBeGreaterThan(100);
  expect(torn + refused).toBeGreaterThan(0);
});
