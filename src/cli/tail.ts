import { systemClock } from '../base/clock.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { liveEvents } from './live-events.js';
import { numberOption } from './options.js';
import { type CliContext, EXIT, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';
import { textPlot } from './text-plot.js';

interface TailOptions extends DaemonOptions {
  readonly count?: string;
  readonly interval: string;
  readonly span: string;
}

interface PointJson {
  readonly time: string | null;
  readonly value: number | null;
  readonly unit: string;
  readonly quality: string;
  readonly reason: string | null;
  readonly score: number | null;
  readonly threshold: number | null;
  readonly diagnosis: string | null;
}

interface WaveformJson {
  readonly startTime: string;
  readonly sampleRateHz: number;
  readonly unit: string;
  readonly samples: readonly number[];
  readonly point: PointJson;
}

const PLOT_ROWS = 11;

/** `sm-edge tail POINT`: its values as they come; a waveform as a small plot. */
export const register: RegisterVerb = (program, context, exit) => {
  withDaemonOptions(program.command('tail'))
    .description('values of a point as they come; a waveform as a small plot')
    .argument('<point>', 'name of the measuring point')
    .option('--count <number>', 'end after so many')
    .option('--span <ms>', 'signal in one plot', '200')
    .option('--interval <ms>', 'from one plot to the next', '1000')
    .action(async (point: string, options: TailOptions) => {
      try {
        await tail(point, options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function tail(point: string, options: TailOptions): Promise<void> {
    const wanted =
      options.count === undefined ? Number.POSITIVE_INFINITY : numberOption('--count', options.count);
    const interval = numberOption('--interval', options.interval);
    const client = DaemonClient.find(options, context.env);
    // Says at once when there is no such point; a point that is yet to come is waited for all the same.
    await client.get(`points/${encodeURIComponent(point)}`);
    const aborted = new AbortController();
    const stop = untilSignal(systemClock);
    void stop.done.then(() => aborted.abort());
    try {
      let shown = 0;
      for await (const { event, data } of liveEvents(
        client,
        { point, interval, ms: numberOption('--span', options.span) },
        aborted.signal,
      )) {
        if (event === 'point') continue;
        const text = options.json
          ? `${JSON.stringify({ kind: event, ...(data as object) })}\n`
          : textOf(event, data, context.out);
        await write(context.out, text);
        if (event !== 'dropped' && ++shown >= wanted) return;
      }
    } finally {
      aborted.abort();
      stop.dispose();
    }
  }
};

function textOf(event: string, data: unknown, out: CliContext['out']): string {
  if (event === 'dropped')
    return `(${(data as { readings: number }).readings} readings were too fast to be shown)\n`;
  if (event === 'reading') return readingLine(data as PointJson);
  return waveformText(data as WaveformJson, out);
}

const clockTime = (iso: string | null): string => iso?.slice(11, 23) ?? '';
const qualityText = ({ quality, reason }: PointJson): string =>
  reason === null || reason === undefined ? quality : `${quality}: ${reason}`;

function readingLine(reading: PointJson): string {
  const value = reading.value === null ? 'no value' : String(Number(reading.value.toPrecision(6)));
  return `${clockTime(reading.time)}  ${value.padStart(12)} ${reading.unit.padEnd(8)} ${qualityText(reading)}\n`;
}

function waveformText(
  { startTime, sampleRateHz, unit, samples, point }: WaveformJson,
  out: CliContext['out'],
): string {
  const columns = Math.min(out.columns ?? 80, 160) - 1;
  const rms = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scored =
    point.score === null || point.threshold === null
      ? ''
      : `, score ${point.score.toFixed(2)} (limit ${point.threshold.toFixed(2)})`;
  const verdict = point.diagnosis === null || point.diagnosis === 'normal' ? '' : `, ${point.diagnosis}`;
  const head = `${clockTime(startTime)}  ${sampleRateHz} Hz, rms ${rms.toPrecision(3)} ${unit}, peak ${peak.toPrecision(3)} ${unit}, ${qualityText(point)}${scored}${verdict}`;
  return `${head}\n${textPlot(samples, sampleRateHz, unit, { columns, rows: PLOT_ROWS })}\n\n`;
}
