import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { type Clock, systemClock } from '#sm/base/clock.js';
import { Exchange, rtuMemory } from '#sm/sources/modbus/exchange.js';
import { until } from '../../support/until.js';
import { answerTo } from './rtu-server.js';

// A process that is held up (by other work on the machine, by itself) reads late what came in time, and its timers fire
// late too: which of the two comes first is chance.

const TIMEOUT_MS = 40;

/** An RTU line, with time that goes by when the test says so and fires no timer. */
function line() {
  const time = { nowMs: 0 };
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => time.nowMs,
    setTimer: (name) => ({ name, cancel: () => undefined }),
  };
  const sent: Buffer[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk);
      done();
    },
  });
  const discarded: string[] = [];
  const exchange = new Exchange(stream, {
    clock,
    timeoutMs: TIMEOUT_MS,
    silenceMs: 0,
    abandonSilent: false,
    rtu: rtuMemory(TIMEOUT_MS),
    onDiscarded: (kind) => discarded.push(kind),
    onGarbage: () => undefined,
  });
  const read = async (address: number) =>
    (await exchange.transact({ unitId: 1, table: 'holding', address, quantity: 1 })).readUInt16BE(0);
  const answers = (address: number) => stream.push(answerTo({ unitId: 1, code: 3, address, quantity: 1 }));
  return { time, sent, discarded, read, answers };
}

it('an answer that is read after its deadline is a late one', async () => {
  const { time, sent, read, answers, discarded } = line();
  const reading = expect(read(7)).rejects.toMatchObject({ code: 'MODBUS_TIMEOUT' });
  await until(() => expect(sent).toHaveLength(1));
  time.nowMs += TIMEOUT_MS + 1;
  answers(7);
  await reading;
  expect(discarded).toEqual(['stale']);
});

it('what came before a request went out is no answer to it', async () => {
  const { time, sent, read, answers, discarded } = line();
  const first = read(7);
  await until(() => expect(sent).toHaveLength(1));
  answers(7);
  expect(await first).toBe(4096 + 7);
  // A second copy came meanwhile, and is read in the next turn of the event loop.
  time.nowMs += 100 * TIMEOUT_MS;
  const second = read(9);
  setImmediate(() => answers(7));
  await until(() => expect(sent).toHaveLength(2));
  answers(9);
  expect(await second).toBe(4096 + 9);
  expect(discarded).toEqual(['unsolicited']);
});
