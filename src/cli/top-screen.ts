import type { HealthReport } from '../base/health.js';
import type { GatewaySnapshot, MachineView, PointView, SourceView } from '../pipeline/machines/snapshot.js';

/** The whole gateway on one screen, as text: a pure function of two snapshots. */

export type TopSnapshot = GatewaySnapshot & { readonly health: HealthReport };

export interface TopSize {
  readonly columns: number;
  readonly rows: number;
}

export function renderTop(now: TopSnapshot, before: TopSnapshot | undefined, size: TopSize): string {
  const { health } = now;
  const parts = health.parts.filter(({ part, state }) => !part.startsWith('source ') && state !== 'good');
  const points = now.machines.flatMap((machine) => machine.points);
  const head = [
    `${health.gatewayId} at ${health.site}: ${health.state}, up ${duration(health.uptimeS)}, ${points.length} points, ${now.alarms.length} alarms`,
    ...parts.map(({ part, state, reason }) => `  ${part}: ${state}, ${reason}`),
    row(['SOURCE', 'TYPE', 'STATE', 'READ/S', 'kSAMPLES/S', 'SINCE, REASON']),
    ...now.sources.map((source) => sourceLine(source, now, before)),
    ...now.alarms
      .slice(0, 5)
      .map(({ severity, point, state, message }) => `! ${severity} ${point} ${state}: ${message}`),
    ...now.learning.slice(0, 4).map(({ point, message }) => `  learning ${point}: ${message}`),
    ...now.machines.flatMap((machine) => machineLine(machine, now.timeMs)),
    'POINT                                        VALUE           AGE  QUALITY             SCORE',
  ];
  // What is wrong first: on a small screen the rest may fall off its lower edge.
  const sorted = [...points].sort((a, b) => urgency(b) - urgency(a) || a.point.localeCompare(b.point));
  const room = Math.max(1, size.rows - head.length - 1);
  const shown = sorted.slice(0, sorted.length > room ? room - 1 : room);
  const rest = sorted.length - shown.length;
  const lines = [
    ...head,
    ...shown.map((point) => pointLine(point, now.timeMs)),
    ...(rest > 0 ? [`  and ${rest} more (a larger window shows them; sm-edge tail POINT one of them)`] : []),
  ];
  return lines
    .map((line) => (line.length <= size.columns ? line : `${line.slice(0, size.columns - 1)}…`))
    .join('\n');
}

const WIDTHS = [16, 8, 9, 9, 11, 0];
const row = (cells: readonly string[]): string =>
  cells.map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0)).join(' ');

function sourceLine(source: SourceView, now: TopSnapshot, before: TopSnapshot | undefined): string {
  const old = before?.sources.find(({ id }) => id === source.id);
  const seconds = before === undefined ? 0 : (now.timeMs - before.timeMs) / 1000;
  // A rate needs two looks.
  const rate = (kind: 'readings' | 'samples', per: number) =>
    old === undefined || seconds <= 0
      ? '-'
      : (Math.max(0, source[kind] - old[kind]) / seconds / per).toFixed(1);
  const since = duration((now.timeMs - source.sinceMs) / 1000);
  return row([
    source.id,
    source.type,
    source.state,
    rate('readings', 1),
    rate('samples', 1000),
    `${since}${source.reason === '' ? '' : `, ${source.reason}`}`,
  ]);
}

/** A machine of which more is known than its points tell: its state, its index where that is old or low, and why. */
function machineLine(
  { id, health, healthTimeMs, operating, pulls = [] }: MachineView,
  nowMs: number,
): string[] {
  const ageS = healthTimeMs === undefined ? 0 : (nowMs - healthTimeMs) / 1000;
  if (operating === undefined && pulls.length === 0) return [];
  const index =
    typeof health === 'number'
      ? `health ${health.toFixed(2)}${ageS > OLD_S ? ` of ${duration(ageS)} ago` : ''}`
      : 'not judged yet';
  const since =
    typeof operating?.sinceMs === 'number' ? ` for ${duration((nowMs - operating.sinceMs) / 1000)}` : '';
  const state = operating === undefined ? '' : `  ${operating.state}${since}`;
  const why = pulls.length === 0 ? '' : `  by ${pulls.map(({ point }) => point).join(', ')}`;
  return [`MACHINE ${id}  ${index}${state}${why}`];
}

/** An index that is older than this is marked with its age, seconds. */
const OLD_S = 120;

const urgency = ({ quality, score, threshold }: PointView): number =>
  (quality === 'bad' ? 2 : quality === 'uncertain' ? 1 : 0) +
  (typeof score === 'number' && typeof threshold === 'number' && score > threshold ? 4 : 0);

function pointLine(
  { point, value, unit, timeMs, quality, reason, score, threshold, diagnosis }: PointView,
  nowMs: number,
): string {
  const amount = typeof value === 'number' ? `${Number(value.toPrecision(4))} ${unit}` : '-';
  const age = timeMs === null || !Number.isFinite(timeMs) ? '' : `${((nowMs - timeMs) / 1000).toFixed(1)}s`;
  const judged = reason === undefined || reason === null ? quality : `${quality}: ${reason}`;
  const scored =
    typeof score === 'number' && typeof threshold === 'number'
      ? `${score.toFixed(1)}/${threshold.toFixed(1)}`
      : '';
  const verdict =
    diagnosis === undefined || diagnosis === null || diagnosis === 'normal' ? '' : ` ${diagnosis}`;
  return `${point.padEnd(44)} ${amount.padEnd(14)} ${age.padStart(5)}  ${judged.padEnd(19)} ${scored}${verdict}`;
}

/** `3d 4h`, `4h 5min`, `5min 6s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [d, h, m, s] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  if (d > 0) return `${d}d ${h}h`;
  if (h > 0) return `${h}h ${m}min`;
  return m > 0 ? `${m}min ${s}s` : `${s}s`;
}
