import { resolve } from 'node:path';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { MachineRegistry } from '../pipeline/machines/machines.js';
import { pointMatcher, pointPattern } from '../signals/point-pattern.js';
import { EXPORT_KINDS, type ExportFormat, type ExportKind, exportStore } from '../storage/export/export.js';
import type { RegisterVerb } from './context.js';
import { durationOption, timeOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { requireStore, type StoreOptions, storeOf, withStoreOptions } from './store-options.js';

interface ExportFlags extends StoreOptions {
  readonly to: string;
  readonly point?: readonly string[];
  readonly what?: string;
  readonly format: string;
  readonly from?: string;
  readonly until?: string;
  readonly every?: string;
}

const DAY_MS = 86_400_000;

/** `sm-edge export`: what the store holds, as files, while the daemon writes to it. */
export const register: RegisterVerb = (program, context, exit) => {
  withStoreOptions(program.command('export'))
    .description(
      'readings, features, scores and waveforms as CSV, Parquet and WAV, also while the daemon runs',
    )
    .requiredOption('--to <folder>', 'a new folder; becomes a recording set, which replay and evaluate read')
    .option('--point <pattern>', 'points with this name, * for any part; may be repeated', collect, [])
    .option('--what <kinds>', `of ${EXPORT_KINDS.join(', ')}; all but aggregates where missing`)
    .option('--format <format>', 'of the tables: csv or parquet; waveforms are always WAV', 'csv')
    .option(
      '--from <time>',
      'not before: 2026-11-21T09:30 (UTC where no zone is given), or 2h for two hours ago',
    )
    .option('--until <time>', 'before; now where missing')
    .option('--every <duration>', 'aggregates of this width, such as 1min, 1h or 1d')
    .action(async (flags: ExportFlags) => {
      const progress = new Progress(context, 'export', 100);
      try {
        const { database, folder, gatewayId, loaded } = storeOf(flags, context);
        requireStore(database, folder);
        const nowMs = systemClock.nowMs();
        const machines = new MachineRegistry(loaded?.machines ?? []);
        const to = resolve(flags.to);
        const fromMs =
          flags.from === undefined ? Number.NEGATIVE_INFINITY : timeOption('--from', flags.from, nowMs);
        const toMs = flags.until === undefined ? nowMs : timeOption('--until', flags.until, nowMs);
        if (fromMs >= toMs)
          throw new SmEdgeError('USAGE', `--from ${flags.from} is not before ${flags.until ?? 'now'}`, {
            hint: 'a duration counts back from now: --from 2h --until 1h is the hour before the last one',
          });
        const files = exportStore({
          database,
          to,
          fromMs,
          toMs,
          kinds: kindsOf(flags),
          format: formatOf(flags.format),
          everyMs: everyOf(flags.every),
          isWanted: wantedOf(flags.point ?? []),
          machineOf: (point) => machines.contextOf(point),
          name: gatewayId,
          onProgress: (share, what) => progress.update(share * 100, what),
        });
        progress.end();
        await write(
          context.out,
          flags.json ? `${JSON.stringify({ ok: true, folder: to, files })}\n` : summary(to, files),
        );
        exit(EXIT.done);
      } catch (thrown) {
        progress.end();
        exit(await reportFailure(context, flags.json === true, thrown));
      }
    });
};

function summary(folder: string, files: ReturnType<typeof exportStore>): string {
  const lines = EXPORT_KINDS.flatMap((kind) => {
    const ofKind = files.filter((file) => file.kind === kind);
    if (ofKind.length === 0) return [];
    const rows = ofKind.reduce((sum, file) => sum + file.rows, 0);
    const points = new Set(ofKind.map(({ point }) => point)).size;
    return [`  ${kind}: ${rows} ${kind === 'waveforms' ? 'samples' : 'rows'} of ${counted(points, 'point')}`];
  });
  return `${folder}: ${counted(files.length, 'file')}\n${lines.join('\n')}\n`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function kindsOf({ what, every }: ExportFlags): ExportKind[] {
  const kinds = what?.split(',').map((kind) => kind.trim()) ?? [
    ...EXPORT_KINDS.filter((kind) => kind !== 'aggregates' || every !== undefined),
  ];
  for (const kind of kinds)
    if (!(EXPORT_KINDS as readonly string[]).includes(kind))
      throw new SmEdgeError('USAGE', `--what ${kind}: not known`, {
        hint: `one of ${EXPORT_KINDS.join(', ')}`,
      });
  if (every !== undefined && !kinds.includes('aggregates')) kinds.push('aggregates');
  return [...new Set(kinds)] as ExportKind[];
}

function formatOf(format: string): ExportFormat {
  if (format === 'csv' || format === 'parquet') return format;
  throw new SmEdgeError('USAGE', `--format ${format}: not known`, {
    hint: 'csv or parquet; waveforms are WAV',
  });
}

/** A minute where missing. */
function everyOf(text: string | undefined): number {
  const ms = text === undefined ? 60_000 : durationOption('--every', text);
  const fits = ms >= 10_000 && (ms < DAY_MS ? DAY_MS % ms === 0 : ms % DAY_MS === 0 && ms <= 366 * DAY_MS);
  if (fits) return ms;
  throw new SmEdgeError(
    'USAGE',
    `--every ${text}: aggregates are of 10 s and more, and divide a day or are whole days`,
    {
      hint: 'write 10s, 1min, 15min, 1h, 1d or 7d',
    },
  );
}

function wantedOf(patterns: readonly string[]): (point: string) => boolean {
  if (patterns.length === 0) return () => true;
  const matchers = patterns.map((pattern) => {
    const parsed = pointPattern().safeParse(pattern);
    if (!parsed.success)
      throw new SmEdgeError('USAGE', `--point ${pattern}: not a name of a point`, {
        hint: 'write a name such as pump-1.temperature; * stands for any part of it',
      });
    return pointMatcher(parsed.data);
  });
  return (point) => matchers.some((matches) => matches(point));
}

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];
