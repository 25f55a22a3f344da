import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { LineTarget } from '../sources/line.js';
import { type Arrival, arrivalRate } from '../sources/serial/tools/arrival-rate.js';
import type { FramingGuess } from '../sources/serial/tools/guess-framing.js';
import type { RegisterVerb } from './context.js';
import { durationOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface ProbeSerialOptions {
  readonly baud: string;
  readonly parity: string;
  readonly stopBits: string;
  readonly duration: string;
  readonly json?: boolean;
}

interface Capture {
  readonly baudRate: number | undefined;
  readonly bytes: Buffer;
  readonly bytesPerS: number;
}

const PARITIES = ['none', 'even', 'odd'] as const;
const OPEN_TIMEOUT_MS = 5_000;
const MAX_BYTES = 96 * 1024;
const SHOWN_FRAMES = 6;
const SHOWN_BYTES = 24;

/** `sm-edge probe serial`: listens to a line, shows what comes, guesses the framing. It sends nothing. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('serial')
    .description('listens to a line: frames as hex and text, and a guess at the framing; it sends nothing')
    .argument('<target>', 'a serial port (/dev/…), or HOST:PORT of a serial device server')
    .option('--baud <list>', 'baud rates to try on a port', '115200,9600,19200,38400,57600,230400')
    .option('--parity <parity>', 'none, even or odd', 'none')
    .option('--stop-bits <number>', '1 or 2', '1')
    .option('--duration <duration>', 'how long to listen, at each rate', '3s')
    .option('--json', 'one JSON document on stdout')
    .action(async (target: string, options: ProbeSerialOptions) => {
      try {
        exit(await probe(target, options));
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function probe(target: string, options: ProbeSerialOptions): Promise<number> {
    const { guessFraming } = await import('../sources/serial/tools/guess-framing.js');
    const { guessMessages } = await import('../sources/serial/tools/guess-message.js');
    const targets = targetsOf(target, options);
    const durationMs = durationOption('--duration', options.duration);
    const progress = new Progress(context, 'probe', targets.length);
    let best: { capture: Capture; guesses: FramingGuess[] } | undefined;
    for (const [index, one] of targets.entries()) {
      progress.update(index, 'baudRate' in one ? `${one.baudRate} baud` : target);
      const capture = await listenTo(one, durationMs);
      const guesses = guessFraming(capture.bytes);
      const better = (guesses[0]?.confidence ?? 0) - (best?.guesses[0]?.confidence ?? 0);
      if (
        best === undefined ||
        better > 0 ||
        (better === 0 && capture.bytes.length > best.capture.bytes.length)
      )
        best = { capture, guesses };
      if ((guesses[0]?.confidence ?? 0) > 0.9) break;
    }
    progress.end();
    const { capture, guesses } = best!;
    const [guess] = guesses;
    const messages =
      guess === undefined
        ? []
        : guessMessages(guess.frames, guess.framing.kind === 'line', framesPerS(guess, capture));
    const yaml =
      guess === undefined || messages.length === 0
        ? ''
        : stringify({ sources: [sourceOf(target, capture, options, guess, messages)] }, { lineWidth: 0 });
    if (options.json) {
      const { bytes, ...figures } = capture;
      await write(
        context.out,
        `${JSON.stringify({
          ...figures,
          bytes: bytes.length,
          guesses: guesses.map(({ yaml: framing, coverage, confidence, frames }) => ({
            framing,
            coverage,
            confidence,
            frames: frames.length,
          })),
          frames: (guess?.frames ?? []).slice(0, SHOWN_FRAMES).map((frame) => frame.toString('hex')),
          yaml,
        })}\n`,
      );
    } else await write(context.out, textOf(capture, guesses, yaml));
    return guess === undefined ? EXIT.failed : EXIT.done;
  }
};

function targetsOf(target: string, options: ProbeSerialOptions): LineTarget[] {
  const tcp = /^(?:tcp:\/\/)?(?:\[([^\]]+)\]|([^/:]+)):(\d{1,5})$/.exec(target);
  if (tcp !== null) return [{ host: (tcp[1] ?? tcp[2])!, port: Number(tcp[3]) }];
  const parity = PARITIES.find((known) => known === options.parity);
  const stopBits = options.stopBits === '2' ? 2 : 1;
  const rates = options.baud.split(',').map(Number);
  if (parity === undefined || rates.some((rate) => !(rate >= 50)))
    throw new SmEdgeError('USAGE', 'a parity is none, even or odd; baud rates are numbers', {
      hint: '--baud 9600,19200 --parity even',
    });
  return rates.map((baudRate) => ({ path: target, baudRate, dataBits: 8, parity, stopBits, rtscts: false }));
}

/** What comes within the time; ends earlier when it is enough, or when somebody presses Ctrl-C. */
async function listenTo(target: LineTarget, durationMs: number): Promise<Capture> {
  const { openLine } = await import('../sources/line.js');
  const stream = await openLine(target, AbortSignal.timeout(OPEN_TIMEOUT_MS));
  const stop = untilSignal(systemClock, durationMs);
  const chunks: Buffer[] = [];
  const arrivals: Arrival[] = [];
  let length = 0;
  const ended = new Promise<void>((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      arrivals.push({ atMs: systemClock.monotonicMs(), totalBytes: length });
      if (length >= MAX_BYTES) resolve();
    });
    stream.on('error', () => resolve());
    stream.on('close', () => resolve());
  });
  await Promise.race([ended, stop.done]);
  stop.dispose();
  await new Promise<void>((resolve) => {
    stream.once('close', () => resolve());
    stream.destroy();
    if (stream.closed) resolve();
  });
  const baudRate = 'baudRate' in target ? target.baudRate : undefined;
  return { baudRate, bytes: Buffer.concat(chunks), bytesPerS: arrivalRate(arrivals) };
}

function sourceOf(
  target: string,
  { baudRate }: Capture,
  { parity, stopBits }: ProbeSerialOptions,
  guess: FramingGuess,
  messages: object[],
): object {
  const line =
    baudRate === undefined
      ? { url: `tcp://${target.replace(/^tcp:\/\//, '')}` }
      : {
          path: target,
          baudRate,
          ...(parity === 'none' ? {} : { parity }),
          ...(stopBits === '2' ? { stopBits: 2 } : {}),
        };
  return { id: 'serial-line', type: 'serial', ...line, framing: guess.yaml, messages };
}

const hexOf = (bytes: Buffer): string =>
  `${bytes.subarray(0, SHOWN_BYTES).toString('hex').replace(/../g, '$& ').trim()}${bytes.length > SHOWN_BYTES ? ' …' : ''}`;
const textual = (bytes: Buffer): string =>
  bytes
    .subarray(0, SHOWN_BYTES)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.');

/** How many frames come in a second. */
const framesPerS = ({ frameBytes }: FramingGuess, { bytesPerS }: Capture): number =>
  bytesPerS / Math.max(1, frameBytes);

function textOf(
  { baudRate, bytes, bytesPerS }: Capture,
  guesses: readonly FramingGuess[],
  yaml: string,
): string {
  const speed = baudRate === undefined ? '' : ` at ${baudRate} baud`;
  const rate = bytesPerS > 0 ? `, ${Math.round(bytesPerS)} bytes/s` : '';
  if (bytes.length === 0)
    return 'nothing came; is the device on and wired (its TX to this RX), and does it send unasked? Modbus devices wait to be asked: sm-edge probe modbus\n';
  const [guess] = guesses;
  const head = `${bytes.length} bytes${speed}${rate}\n`;
  if (guess === undefined)
    return `${head}  ${hexOf(bytes)}  ${textual(bytes)}\nno framing fits; try other baud rates and parities (--baud, --parity), or listen longer (--duration 10s)\n`;
  const frames = guess.frames
    .slice(0, SHOWN_FRAMES)
    .map((frame) => `  ${String(frame.length).padStart(5)}  ${hexOf(frame)}  ${textual(frame)}`);
  const others = guesses.map(
    ({ yaml: framing, frames: cut, confidence }) =>
      `  ${Math.round(100 * confidence)} %  ${cut.length} frames  ${JSON.stringify(framing)}`,
  );
  const paste = yaml === '' ? '' : `\n# to paste; set names, units and scale\n${yaml}`;
  return `${head}\nframes (length, hex, text):\n${frames.join('\n')}\n\nframings, the likeliest first:\n${others.join('\n')}\n${paste}`;
}
