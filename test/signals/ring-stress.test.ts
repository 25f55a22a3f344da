import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { SampleRing } from '#sm/signals/ring-buffer.js';
import { TriggerCapture } from '#sm/signals/trigger-capture.js';

const RING = fileURLToPath(import.meta.resolve('#sm/signals/ring-buffer.js'));
const MODULUS = 1_000_003;
/** SM_EDGE_STRESS_SAMPLES lengthens the run: docs/features.md tells of one of a thousand million. */
const TOTAL = Number(process.env.SM_EDGE_STRESS_SAMPLES ?? 5_000_000);
/** It goes on to so many at most while a reader has not seen enough. */
const MOST = 100 * TOTAL;
const READERS = 2;
/** Windows that each reader sees whole. */
const ENOUGH = 100;

/** Flags that the threads share: 1 where the writer is done, and for each reader that has seen enough. */
const sharedFlags = (readers: number) => ({
  ended: new Int32Array(new SharedArrayBuffer(4)),
  content: new Int32Array(new SharedArrayBuffer(4 * readers)),
});

/** Writes blocks of many lengths as fast as it can; each sample tells its index. Marks a gap now and then. */
const WRITER = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(({ SampleRing }) => {
    const ring = SampleRing.attach(workerData.handle);
    let state = 1;
    const block = new Float32Array(700);
    let gaps = 0;
    // However the threads are scheduled: it writes until each reader has seen enough.
    const waits = () => ring.written < workerData.most && workerData.content.some((enough) => enough === 0);
    while (ring.written < workerData.total || waits()) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const length = 1 + (state >>> 16) % 700;
      if (state % 997 === 0) { ring.markGap(); gaps++; }
      const start = ring.written;
      for (let i = 0; i < length; i++) block[i] = (start + i) % ${MODULUS};
      ring.write(block.subarray(0, length));
    }
    workerData.ended[0] = 1;
    parentPort.postMessage({ gaps });
  });
`;

/** Reads windows of many lengths, newest and oldest, until the writer is done; tells of any that is torn unseen. */
const READER = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(({ SampleRing }) => {
    const ring = SampleRing.attach(workerData.handle);
    const found = { whole: 0, torn: 0, refused: 0, unseen: 0, acrossGap: 0 };
    for (let round = workerData.seed; workerData.ended[0] === 0; round++) {
      const length = 1 + (round * 7919) % 2000;
      const from = Math.max(0, round % 2 === 0 ? ring.written - length : ring.oldest + (round % 50));
      try {
        const window = ring.read(from, length);
        let sound = true;
        for (let i = 0; i < length; i++) sound &&= window[i] === (from + i) % ${MODULUS};
        const intact = ring.isIntact(from);
        if (!intact) found.torn++;
        else if (!sound) found.unseen++;
        else found.whole++;
        if (intact && ring.gapWithin(from, length) !== undefined) found.acrossGap++;
      } catch (error) {
        if (!['RING_OVERRUN', 'RING_GAP', 'RING_WINDOW'].includes(error.code)) throw error;
        found.refused++;
      }
      if (found.whole > workerData.enough && found.torn + found.refused > 0)
        workerData.content[workerData.reader] = 1;
    }
    parentPort.postMessage(found);
  });
`;

function run<T>(code: string, workerData: object): { worker: Worker; result: Promise<T> } {
  const worker = new Worker(code, { eval: true, workerData });
  const result = new Promise<T>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, result };
}

it('never gives a torn window, or one across a gap, to any of several threads', {
  timeout: 600_000,
}, async () => {
  const ring = SampleRing.create(5000, 2000);
  const flags = sharedFlags(READERS);
  const data = { module: RING, handle: ring.handle, total: TOTAL, most: MOST, enough: ENOUGH, ...flags };
  const readers = Array.from({ length: READERS }, (_, seed) =>
    run<Record<'whole' | 'torn' | 'refused' | 'unseen' | 'acrossGap', number>>(READER, {
      ...data,
      seed,
      reader: seed,
    }),
  );
  const writer = run<{ gaps: number }>(WRITER, data);
  try {
    const found = await Promise.all(readers.map(({ result }) => result));
    const { gaps } = await writer.result;
    expect(ring.written).toBeGreaterThanOrEqual(TOTAL);
    expect(ring.gaps).toBe(gaps);
    for (const { whole, torn, refused, unseen, acrossGap } of found) {
      expect([unseen, acrossGap]).toEqual([0, 0]);
      expect(whole).toBeGreaterThan(ENOUGH);
      expect(torn + refused).toBeGreaterThan(0);
    }
    // Every window that came too late was counted, by whichever reader.
    expect(ring.overruns).toBeGreaterThanOrEqual(found.reduce((sum, { torn }) => sum + torn, 0));
  } finally {
    await Promise.all([writer, ...readers].map(({ worker }) => worker.terminate()));
  }
});

it('captures whole signals while another thread writes', { timeout: 600_000 }, async () => {
  // Large against what is written between two looks: captures are to succeed, and the others to say so. Where this
  // thread is kept from running for long, the writer goes on until one has.
  const ring = SampleRing.create(1_000_000, 100_000);
  const flags = sharedFlags(1);
  const writer = run(WRITER, {
    module: RING,
    handle: ring.handle,
    total: TOTAL / 2,
    most: MOST,
    ...flags,
  });
  let [whole, cut] = [0, 0];
  try {
    let finished = false;
    const done = writer.result.then(() => {
      finished = true;
    });
    while (!finished) {
      const capture = new TriggerCapture(ring, ring.written, 1500, 3000);
      while (!finished && !capture.advance()) await new Promise(setImmediate);
      const { samples, fromIndex, cut: reasons } = capture.result();
      for (let i = 0; i < samples.length; i++)
        if (samples[i] !== (fromIndex + i) % MODULUS)
          throw new Error(`sample ${i} from ${fromIndex} is torn`);
      if (reasons.length === 0 && samples.length === 4500) {
        whole++;
        flags.content[0] = 1;
      } else cut++;
    }
    await done;
  } finally {
    await writer.worker.terminate();
  }
  expect(whole + cut).toBeGreaterThan(0);
  expect(whole).toBeGreaterThan(0);
});
