import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import type { RegisterVerb } from './context.js';
import { connectionsOf, connectionYaml, numbersOf, type TargetOptions } from './modbus-target.js';
import { durationOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface ScanModbusOptions extends TargetOptions {
  readonly units: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Most unit ids there are: 1 to 247, over TCP also 0 and 255. */
const MOST_UNIT_ID = 255;

/** `sm-edge scan modbus`: which units answer on a line or behind a host. Reads only. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('modbus')
    .description('which units answer on a serial line, or behind a host; it reads, and never writes')
    .argument('<target>', 'a serial port (/dev/…), HOST or HOST:PORT')
    .option('--units <list>', 'unit ids to ask', '1-247')
    .option('--baud <list>', 'baud rates to try on a serial port', '9600,19200,115200')
    .option('--parity <list>', 'parities to try on a serial port', 'even,none')
    .option('--stop-bits <number>', 'stop bits', '1')
    .option('--rtu', 'the host is a serial device server that passes RTU frames on')
    .option('--timeout <duration>', 'how long a unit is waited for', '200ms')
    .option('--all', 'try the other settings too when units were found with one')
    .option('--json', 'one JSON document on stdout')
    .action(async (target: string, options: ScanModbusOptions) => {
      try {
        await scan(target, options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function scan(target: string, options: ScanModbusOptions): Promise<void> {
    const { scanUnits, describe } = await import('../sources/modbus/tools/scan.js');
    const connections = connectionsOf(target, options);
    const timeoutMs = durationOption('--timeout', options.timeout);
    const unitIds = numbersOf('--units', options.units, MOST_UNIT_ID);
    const progress = new Progress(context, 'scan', connections.length * unitIds.length);
    const stop = untilSignal(systemClock);
    const aborted = new AbortController();
    void stop.done.then(() => aborted.abort());
    try {
      const result = await scanUnits({
        connections,
        unitIds,
        timeoutMs,
        exhaustive: options.all === true,
        clock: systemClock,
        signal: aborted.signal,
        onProgress: (done, _total, what) => progress.update(done, what),
        onFound: () => undefined,
      });
      progress.end();
      const { units } = result;
      const yaml = units.length === 0 ? '' : stringify({ sources: sourcesOf(units) });
      if (options.json) {
        const found = units.map(({ connection, ...unit }) => ({
          ...unit,
          connection: connectionYaml(connection),
        }));
        await write(
          context.out,
          `${JSON.stringify({ ...result, garbage: result.garbage.map(({ connection, bytes }) => ({ connection: connectionYaml(connection), bytes })), units: found, yaml })}\n`,
        );
        return;
      }
      for (const { connection, bytes } of result.garbage)
        await write(
          context.out,
          `${describe(connection)}: ${bytes} bytes came that are no Modbus frames; other settings, or another protocol?\n`,
        );
      if (units.length === 0) {
        await write(
          context.out,
          `no unit answered (${result.requests} requests); check wiring, polarity (A/B), power, and try --timeout 1s\n`,
        );
        return;
      }
      for (const { unitId, connection, roundTripMs, tables } of units) {
        const registers = tables.map(({ table, address, value }) => `${table} ${address} = ${value}`);
        const what =
          registers.length === 0 ? 'answers, but no usual address is readable' : registers.join(', ');
        await write(
          context.out,
          `unit ${unitId} (${describe(connection)}, ${roundTripMs.toFixed(0)} ms): ${what}\n`,
        );
      }
      await write(
        context.out,
        `\n# to paste; then look closer: sm-edge probe modbus ${target} --unit …\n${yaml}`,
      );
    } finally {
      progress.end();
      stop.dispose();
    }
  }
};

type Found = import('../sources/modbus/tools/scan.js').FoundUnit;

/** A source for each setting that units were found with. A unit of which nothing is known gets a point to begin with. */
function sourcesOf(units: readonly Found[]): object[] {
  const byLink = new Map<Found['connection'], Found[]>();
  for (const unit of units) byLink.set(unit.connection, [...(byLink.get(unit.connection) ?? []), unit]);
  return [...byLink].map(([connection, found], index) => ({
    id: index === 0 ? 'modbus-line' : `modbus-line-${index + 1}`,
    type: 'modbus',
    connection: connectionYaml(connection),
    units: found.map(({ unitId, tables }) => ({
      unitId,
      interval: '1s',
      points: (tables.length > 0 ? tables : [{ table: 'holding', address: 0 }]).map(({ table, address }) => ({
        point: `unit-${unitId}${index === 0 ? '' : `-line-${index + 1}`}.${table}-${address}`,
        register: table,
        address,
      })),
    })),
  }));
}
