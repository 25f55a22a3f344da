import { describe, expect, it } from 'vitest';
import { SharedLane } from '#sm/base/shared-lane.js';

describe('a shared lane', () => {
  it('hands requests over one after the other, and answers in the same memory', async () => {
    const asking = SharedLane.create(4);
    const answering = new SharedLane(asking.buffer);
    const served = answering.serve(async ({ words, values }) => {
      words[0]! += 1;
      values[0] = values[0]! * 2;
    });
    for (let k = 1; k <= 100; k++) {
      asking.values[0] = k;
      await asking.ask();
      expect([asking.words[0], asking.values[0]]).toEqual([k, 2 * k]);
    }
    asking.close();
    await served;
  });

  it('lets go of who waits when it is closed', async () => {
    const lane = SharedLane.create(1);
    const asked = lane.ask();
    lane.close();
    await asked;
    await lane.serve(() => Promise.reject(new Error('nothing may be served any more')));
    expect(lane.values[0]).toBe(0);
  });
});
