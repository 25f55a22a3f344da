import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { ReadRequest, RegisterTable } from '../sources/modbus/protocol.js';
import type { Guess, Interpretation } from '../sources/modbus/tools/interpret.js';
import type { ProbeResult } from '../sources/modbus/tools/probe.js';
import type { RegisterVerb } from './context.js';
import { connectionsOf, connectionYaml, numbersOf, type TargetOptions } from './modbus-target.js';
import { durationOption, numberOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface ProbeModbusOptions extends TargetOptions {
  readonly unit: string;
  readonly register: string;
  readonly address: string;
  readonly count: string;
  readonly repeat: string;
  readonly pause: string;
  readonly json?: boolean;
}

const TABLES = ['holding', 'input', 'coil', 'discrete'] as const;

/** `sm-edge probe modbus`: one range of registers, every interpretation side by side. Reads only. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('modbus')
    .description(
      'one range of registers, in every type and byte order side by side; it reads, and never writes',
    )
    .argument('<target>', 'a serial port (/dev/…), HOST or HOST:PORT')
    .option('--unit <id>', 'unit id', '1')
    .option('--register <kind>', 'holding, input, coil or discrete', 'holding')
    .option('--address <number>', 'first address in the protocol (40001 in a manual is 0)', '0')
    .option('--count <number>', 'registers, or bits', '4')
    .option('--repeat <number>', 'how often to read', '5')
    .option('--pause <duration>', 'pause between two reads', '200ms')
    .option('--baud <rate>', 'baud rate of a serial port', '19200')
    .option('--parity <parity>', 'parity of a serial port', 'even')
    .option('--stop-bits <number>', 'stop bits', '1')
    .option('--rtu', 'the host is a serial device server that passes RTU frames on')
    .option('--timeout <duration>', 'deadline of one request', '1s')
    .option('--json', 'one JSON document on stdout')
    .action(async (target: string, options: ProbeModbusOptions) => {
      try {
        exit(await probe(target, options));
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function probe(target: string, options: ProbeModbusOptions): Promise<number> {
    const { probeRange } = await import('../sources/modbus/tools/probe.js');
    const { guess, interpretations, texts } = await import('../sources/modbus/tools/interpret.js');
    const request = requestOf(options);
    const [connection] = connectionsOf(target, options);
    const repeat = Math.max(1, numberOption('--repeat', options.repeat));
    const progress = new Progress(context, 'probe', repeat);
    const stop = untilSignal(systemClock);
    const aborted = new AbortController();
    void stop.done.then(() => aborted.abort());
    try {
      const result = await probeRange({
        connection: connection!,
        request,
        repeat,
        pauseMs: durationOption('--pause', options.pause),
        clock: systemClock,
        signal: aborted.signal,
        onProgress: (done) => progress.update(done, `unit ${request.unitId}`),
      });
      progress.end();
      const last = result.answers.at(-1);
      const bits = request.table === 'coil' || request.table === 'discrete';
      const guesses = bits ? [] : guess(result.answers);
      const yaml =
        last === undefined
          ? ''
          : stringify({
              sources: [
                {
                  id: 'modbus-line',
                  type: 'modbus',
                  connection: connectionYaml(connection!),
                  units: [{ unitId: request.unitId, interval: '1s', points: pointsOf(request, guesses) }],
                },
              ],
            });
      const all = last === undefined || bits ? [] : interpretations(last);
      if (options.json) {
        const { answers, ...figures } = result;
        const hex = answers.map((data) => data.toString('hex'));
        const text = last === undefined || bits ? undefined : texts(last);
        await write(
          context.out,
          `${JSON.stringify({ request, ...figures, answers: hex, interpretations: all, texts: text, guesses, yaml })}\n`,
        );
      } else {
        await write(context.out, figuresText(result));
        if (last !== undefined) {
          await write(context.out, bits ? bitsText(last, request) : table(last, request, all));
          if (!bits) await write(context.out, `\ntext: AB "${texts(last).AB}"  BA "${texts(last).BA}"\n`);
          await write(
            context.out,
            `\n# to paste, with the likeliest types; set unit, scale and names\n${yaml}`,
          );
        }
      }
      return last === undefined ? EXIT.failed : EXIT.done;
    } finally {
      progress.end();
      stop.dispose();
    }
  }
};

function requestOf(options: ProbeModbusOptions): ReadRequest {
  const table = TABLES.find((known) => known === options.register);
  if (table === undefined)
    throw new SmEdgeError('USAGE', `--register ${options.register}`, { hint: `one of ${TABLES.join(', ')}` });
  const most = table === 'coil' || table === 'discrete' ? 2000 : 125;
  const one = (flag: string, text: string, limit: number) => numbersOf(flag, text, limit)[0]!;
  const request = {
    unitId: one('--unit', options.unit, 255),
    table,
    address: one('--address', options.address, 65_535),
    quantity: one('--count', options.count, most),
  };
  if (request.quantity < 1 || request.address + request.quantity > 65_536)
    throw new SmEdgeError('USAGE', `--count ${options.count} from ${options.address} on: no such range`, {
      hint: `at most ${most}, and not past 65535`,
    });
  return request;
}

function figuresText({ asked, answers, roundTripMs, errors, line }: ProbeResult): string {
  const times =
    roundTripMs === undefined
      ? ''
      : `; round trip ${roundTripMs.min.toFixed(1)} / ${roundTripMs.median.toFixed(1)} / ${roundTripMs.max.toFixed(1)} ms (least, median, most)`;
  const odd =
    line.garbageBytes + line.discardedAnswers > 0
      ? `${line.garbageBytes} bytes of garbage, ${line.discardedAnswers} answers to something else\n`
      : '';
  const faults = errors.map(
    ({ message, hint, count }) => `  ${count} x ${message}${hint === undefined ? '' : ` (${hint})`}\n`,
  );
  return `${asked} requests, ${answers.length} answers${times}\n${odd}${faults.join('')}`;
}

const bitsText = (data: Buffer, { address, quantity }: ReadRequest): string =>
  `\n${Array.from({ length: quantity }, (_, i) => `${address + i}: ${(data[i >> 3]! >> (i & 7)) & 1}`).join('\n')}\n`;

/** One row a register and order, one column a type. */
function table(data: Buffer, { address }: ReadRequest, all: readonly Interpretation[]): string {
  const lines: string[] = [];
  for (const letters of [2, 4, 8]) {
    const own = all.filter(({ order }) => order.length === letters);
    const types = [...new Set(own.map(({ type }) => type))];
    if (own.length === 0) continue;
    lines.push(
      '',
      [
        'address',
        'bytes'.padEnd(letters * 2),
        'order'.padEnd(8),
        ...types.map((type) => type.padStart(12)),
      ].join('  '),
    );
    const rows = new Map<string, Interpretation[]>();
    for (const one of own) {
      const key = `${one.offset} ${one.order}`;
      rows.set(key, [...(rows.get(key) ?? []), one]);
    }
    for (const row of rows.values()) {
      const { offset, order } = row[0]!;
      const hex = data.toString('hex', offset * 2, offset * 2 + letters);
      const values = types.map((type) => shown(row.find((one) => one.type === type)?.value));
      lines.push(
        [String(address + offset).padStart(7), hex.padEnd(letters * 2), order.padEnd(8), ...values].join(
          '  ',
        ),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

const shown = (value: number | undefined): string => {
  if (value === undefined) return ''.padStart(12);
  if (Number.isNaN(value)) return '-'.padStart(12);
  const text = Number.isInteger(value) && Math.abs(value) < 1e12 ? String(value) : value.toPrecision(6);
  return text.padStart(12);
};

function pointsOf({ unitId, table, address, quantity }: ReadRequest, guesses: readonly Guess[]): object[] {
  const point = (at: number) => ({ point: `unit-${unitId}.${table}-${at}`, register: table, address: at });
  if (isBits(table)) return Array.from({ length: quantity }, (_, i) => point(address + i));
  return guesses.map(({ offset, type, order }) => ({
    ...point(address + offset),
    type,
    ...(order === 'AB' ? {} : { order }),
  }));
}

const isBits = (table: RegisterTable): boolean => table === 'coil' || table === 'discrete';
