// Runs a soak: the same test as `npm test` runs, with a larger count, and prints its result as JSON.
//   npm run soak -- torn --count 200
//   npm run soak -- kill --count 200           kill -9 of the store; also clock, full, readonly and power
//   npm run soak -- power --filesystem xfs     also btrfs; also of readonly and fsync
//   npm run soak -- fsync --count 40           what a failed write costs, by a plain program
//   npm run soak -- backup --count 200         kill -9 of sm-edge backup
//   npm run soak -- kill-mqtt --count 200      kill -9 of the daemon behind a broker
//   npm run soak -- modbus-frames --count 1000000
//   npm run soak -- modbus-line --count 100000
//   npm run soak -- modbus-restart --count 20
//   npm run soak -- mqtt-payloads --count 1000000
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** Name, test file, count where none is given, and of which test where the file has several. */
const SOAKS = {
  torn: ['test/storage/torn-writes.test.ts', 200],
  kill: ['test/storage/kills.test.ts', 200, 'kill:'],
  clock: ['test/storage/kills.test.ts', 200, 'clock:'],
  full: ['test/storage/kills.test.ts', 200, 'full:'],
  power: ['test/storage/kills.test.ts', 200, 'power:'],
  readonly: ['test/storage/kills.test.ts', 200, 'readonly:'],
  fsync: ['test/storage/page-cache.test.ts', 40],
  backup: ['test/storage/backup-kills.test.ts', 200, 'goes on where it stopped'],
  'kill-mqtt': ['test/e2e/kill.test.ts', 200],
  'modbus-line': ['test/sources/modbus/rtu.test.ts', 100_000],
  'modbus-restart': ['test/sources/modbus/peers.test.ts', 20, 'after the server was restarted'],
  'serial-frames': ['test/sources/serial/frames-soak.test.ts', 334_000],
  'modbus-frames': ['test/sources/modbus/frames.test.ts', 1_000_000],
  'mqtt-payloads': ['test/sources/mqtt/payload-fuzz.test.ts', 1_000_000],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, filesystem: { type: 'string', default: 'ext4' } },
});
const [name] = positionals;
const soak = SOAKS[name];
const known = ['ext4', 'xfs', 'btrfs'].includes(values.filesystem);
if (soak === undefined || positionals.length !== 1 || !known) {
  process.stderr.write(
    `npm run soak -- NAME [--count N] [--filesystem ext4|xfs|btrfs]; names: ${Object.keys(SOAKS).join(', ')}\n`,
  );
  process.exit(2);
}
const [file, usualCount, test] = soak;
const folder = mkdtempSync(join(tmpdir(), 'sm-edge-soak-'));
const result = join(folder, 'result.ndjson');
try {
  const { status } = spawnSync('npx', ['vitest', 'run', file, ...(test === undefined ? [] : ['-t', test])], {
    stdio: ['ignore', process.stderr, process.stderr],
    env: {
      ...process.env,
      SM_EDGE_SOAK_COUNT: values.count ?? String(usualCount),
      SM_EDGE_SOAK_FILESYSTEM: values.filesystem,
      SM_EDGE_SOAK_RESULT: result,
    },
  });
  if (status === 0) process.stdout.write(readFileSync(result, 'utf8'));
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
