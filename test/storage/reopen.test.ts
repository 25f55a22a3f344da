import { describe, expect, it } from 'vitest';
import { StoreFolder } from '../support/store.js';

describe('a store that is closed and opened again', () => {
  it('answers everybody who asks meanwhile', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    await store.write({
      readings: [{ point: 'm1.t', timeMs: 1, value: 5, unit: 'degC', quality: 'good' }],
    });
    let answered = 0;
    let goOn = true;
    const asking = Array.from({ length: 4 }, async () => {
      while (goOn) {
        expect(await store.readings('m1.t', 0, 2, 10)).toHaveLength(1);
        answered++;
      }
    });
    try {
      for (let round = 0; round < 10; round++) await store.reopen();
    } finally {
      goOn = false;
    }
    await Promise.all(asking);
    expect(answered).toBeGreaterThan(10);
  });
});
