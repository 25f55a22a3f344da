// Reads a second over Modbus TCP, 125 and 10 registers each, against a libmodbus server: a libmodbus client (C), and
// the link of this gateway, one request at a time. Rounds take turns, so that a noisy machine is noisy for both.
// Needs a C compiler and libmodbus (scripts/test-servers.sh).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { systemRandom } from '#sm/base/random.js';
import { connectionSchema } from '#sm/sources/modbus/config-connection.js';
import { leaseLink } from '#sm/sources/modbus/shared-link.js';

const ROUNDS = 7;
const READS = 12_000;

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function ours(link, quantity) {
  const startMs = performance.now();
  for (let i = 0; i < READS; i++) {
    const address = (i * 7) % 1000;
    const data = await link.request({ unitId: 1, table: 'holding', address, quantity });
    if (data.readUInt16BE(0) !== address || data.length !== 2 * quantity)
      throw new Error(`read ${i} is wrong`);
  }
  return (READS * 1000) / (performance.now() - startMs);
}

export async function bench() {
  const script = path.resolve(import.meta.dirname, '../scripts/libmodbus-peers.sh');
  let folder;
  try {
    folder = execFileSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return { missing: 'libmodbus and a C compiler (scripts/test-servers.sh)' };
  }
  const server = spawn(path.join(folder, 'libmodbus-server'), ['tcp', '0'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await once(server.stdout, 'data');
  const port = Number(line);
  const connection = connectionSchema.parse({ transport: 'tcp', host: '127.0.0.1', port });
  const { link, release } = leaseLink('bench', connection, {
    clock: systemClock,
    random: systemRandom,
    metrics: new Metrics(),
  });
  await new Promise((resolve) =>
    link.attach({ maxReconnectMs: 250, onUp: resolve, onDown: () => undefined }),
  );
  const results = {};
  for (const quantity of [125, 10]) {
    const rates = { sm: [], libmodbus: [] };
    await ours(link, quantity);
    for (let round = 0; round < ROUNDS; round++) {
      rates.sm.push(await ours(link, quantity));
      const args = [String(port), String(quantity), String(READS)];
      rates.libmodbus.push(
        Number(execFileSync(path.join(folder, 'libmodbus-client'), args, { encoding: 'utf8' })),
      );
    }
    const sm = Math.round(median(rates.sm));
    const libmodbus = Math.round(median(rates.libmodbus));
    results[`${quantity} registers`] = {
      readsPerSecond: sm,
      libmodbusReadsPerSecond: libmodbus,
      ratio: Number((sm / libmodbus).toFixed(2)),
    };
  }
  await release();
  server.kill();
  return results;
}
