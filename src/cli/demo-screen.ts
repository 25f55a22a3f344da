import type {
  AlarmView,
  GatewaySnapshot,
  MachineView,
  PointView,
  SourceView,
} from '../pipeline/machines/snapshot.js';

/** The demo's picture of the gateway, as text. A pure function of what it shows. */

const WIDTH = 79;

export interface DemoState {
  readonly snapshot: GatewaySnapshot;
  /** Since the demo began, milliseconds. */
  readonly elapsedMs: number;
  /** When the bearing starts to fail, milliseconds after the beginning. */
  readonly faultAfterMs: number;
  readonly url: string;
  readonly dataDir: string;
  /** Lines that there are; alarms beyond them are cut. Missing: as many as it takes. */
  readonly rows?: number;
}

/** With two machines and three sources it is 24 lines of 79 columns: the smallest terminal there is. */
export function renderDemo(state: DemoState): string {
  const { snapshot, elapsedMs, faultAfterMs, rows = Number.POSITIVE_INFINITY } = state;
  const untilFault = faultAfterMs - elapsedMs;
  const story =
    untilFault > 0
      ? `all machines are healthy; a bearing of pump-1 starts to fail in ${minutes(untilFault)}`
      : `the drive-end bearing of pump-1 has been failing for ${minutes(-untilFault)}`;
  const above = [
    `Smart Maintenance Edge: demo, running for ${minutes(elapsedMs)}; Ctrl-C stops it`,
    story,
    heading('What arrives'),
    ...snapshot.sources.map((source) => sourceLine(source, elapsedMs)),
    heading('Machines'),
    ...snapshot.machines.flatMap(machineLines),
    heading('Alarms'),
  ];
  const below = [
    heading('Look further'),
    `  curl ${state.url}/health     the state of every part (or /metrics)`,
    `  data folder: ${state.dataDir}`,
  ];
  const room = Math.max(1, rows - above.length - below.length);
  return [...above, ...alarmLines(snapshot.alarms, snapshot.timeMs, room), ...below].map(clip).join('\n');
}

const clip = (line: string): string => (line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 1)}…`);

const heading = (text: string): string => `${text} ${'-'.repeat(Math.max(0, WIDTH - text.length - 1))}`;

/** `1:05 min` for a minute and five seconds. */
const minutes = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min`;
};

function sourceLine(source: SourceView, elapsedMs: number): string {
  const seconds = Math.max(1, elapsedMs / 1000);
  const rates = [
    `${(source.readings / seconds).toFixed(1)} readings/s`,
    `${(source.samples / seconds / 1000).toFixed(1)} k samples/s`,
  ].join(', ');
  const reason = source.reason === '' ? '' : `  ${source.reason}`;
  return `  ${source.id.padEnd(12)} ${source.type.padEnd(7)} ${source.state.padEnd(9)} ${rates}${reason}`;
}

function machineLines(machine: MachineView): string[] {
  const health =
    machine.health === undefined
      ? 'learning what is usual'
      : `health ${bar(machine.health)} ${percent(machine.health)}`;
  const lead = machine.points.filter(isLead);
  const others = machine.points.filter((point) => !isLead(point));
  return [
    `  ${machine.id.padEnd(12)} ${machine.class.padEnd(7)} ${health}${machine.operating === undefined ? '' : `  ${machine.operating.state}`}`,
    ...lead.map(leadLine),
    ...pairs(others.map(otherCell)),
  ];
}

/** Waveforms, and whatever is unusual, have a line of their own. */
const isLead = ({ unit, score, threshold }: PointView): boolean =>
  unit.endsWith(' rms') || (score !== undefined && threshold !== undefined && score > threshold);

const nameOf = ({ point }: PointView): string => point.split('.').slice(1).join('.');

const amountOf = ({ value, unit }: PointView): string =>
  value === undefined ? '' : `${value.toPrecision(4)} ${unit}`;

function leadLine(point: PointView): string {
  const { score, threshold, diagnosis } = point;
  const scored =
    score === undefined || threshold === undefined
      ? ''
      : `score ${score.toFixed(1)} (limit ${threshold.toFixed(1)})`;
  const verdict = diagnosis === undefined || diagnosis === 'normal' ? '' : `  ${diagnosis}`;
  return `    ${nameOf(point).padEnd(24)} ${amountOf(point).padEnd(13)} ${scored}${verdict}`;
}

const otherCell = (point: PointView): string => `${nameOf(point).padEnd(23)} ${amountOf(point).padEnd(12)}`;

function pairs(cells: readonly string[]): string[] {
  return Array.from(
    { length: Math.ceil(cells.length / 2) },
    (_, line) => `    ${cells.slice(2 * line, 2 * line + 2).join('  ')}`,
  );
}

const percent = (share: number): string => `${Math.round(share * 100)} %`.padStart(5);

function bar(share: number): string {
  const filled = Math.round(share * 20);
  return `[${'#'.repeat(filled)}${'.'.repeat(20 - filled)}]`;
}

const URGENCY = ['low', 'medium', 'high', 'critical'];

/** A line for each alarm, the most urgent first and then the oldest; what lines are left tell of the first ones. */
function alarmLines(alarms: readonly AlarmView[], nowMs: number, room: number): string[] {
  if (alarms.length === 0) return ['  none'];
  const sorted = [...alarms].sort(
    (a, b) => URGENCY.indexOf(b.severity) - URGENCY.indexOf(a.severity) || a.sinceMs - b.sinceMs,
  );
  const fits = sorted.length <= room ? sorted : sorted.slice(0, room - 1);
  let spare = room - sorted.length;
  const lines = fits.flatMap((alarm) => {
    const message = cut(wrap(alarm.message, WIDTH - 6), Math.max(0, spare));
    spare -= message.length;
    return [headline(alarm, nowMs), ...message.map((line) => `    ${line}`)];
  });
  return fits.length === sorted.length ? lines : [...lines, `  and ${sorted.length - fits.length} more`];
}

const cut = (lines: readonly string[], room: number): readonly string[] =>
  lines.length <= room
    ? lines
    : lines.slice(0, room).map((line, at) => (at === room - 1 ? `${line} …` : line));

const headline = ({ severity, point, state, sinceMs }: AlarmView, nowMs: number): string =>
  `  ${severity.toUpperCase().padEnd(8)} ${point}  ${state}, for ${minutes(Math.max(0, nowMs - sinceMs))}`;

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}
