import type { GatewaySnapshot, MachineView, PointView, SourceView } from '../pipeline/snapshot.js';

/** The demo's picture of the gateway, as text. A pure function of what it shows. */

const WIDTH = 78;

export interface DemoState {
  readonly snapshot: GatewaySnapshot;
  /** Since the demo began, milliseconds. */
  readonly elapsedMs: number;
  /** When the bearing starts to fail, milliseconds after the beginning. */
  readonly faultAfterMs: number;
  readonly url: string;
  readonly dataDir: string;
}

export function renderDemo(state: DemoState): string {
  const { snapshot, elapsedMs, faultAfterMs } = state;
  const untilFault = faultAfterMs - elapsedMs;
  const story =
    untilFault > 0
      ? `all machines are healthy; a bearing of pump-1 starts to fail in ${minutes(untilFault)}`
      : `the drive-end bearing of pump-1 has been failing for ${minutes(-untilFault)}`;
  return [
    `Smart Maintenance Edge: demo, running for ${minutes(elapsedMs)}`,
    story,
    '',
    heading('What arrives'),
    ...snapshot.sources.map((source) => sourceLine(source, elapsedMs)),
    '',
    heading('Machines'),
    ...snapshot.machines.flatMap(machineLines),
    '',
    heading('Alarms'),
    ...(snapshot.alarms.length === 0
      ? ['  none']
      : snapshot.alarms.flatMap((alarm) => [
          `  ${alarm.severity.toUpperCase()}  ${alarm.point}  (${alarm.state}, since ${clockTime(alarm.sinceMs)})`,
          ...wrap(alarm.message, WIDTH - 4).map((line) => `    ${line}`),
        ])),
    '',
    heading('Look further'),
    `  curl ${state.url}/health          the state of every part`,
    `  curl ${state.url}/metrics         the counters, for Prometheus`,
    `  data folder: ${state.dataDir}`,
    '  Ctrl-C stops the demo',
  ].join('\n');
}

const heading = (text: string): string => `${text} ${'-'.repeat(Math.max(0, WIDTH - text.length - 1))}`;

/** `1:05` for a minute and five seconds. */
const minutes = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min`;
};

const clockTime = (ms: number): string => new Date(ms).toISOString().slice(11, 19);

function sourceLine(source: SourceView, elapsedMs: number): string {
  const seconds = Math.max(1, elapsedMs / 1000);
  const rates = [
    `${(source.readings / seconds).toFixed(1)} readings/s`,
    `${(source.samples / seconds / 1000).toFixed(1)} k samples/s`,
  ].join(', ');
  const reason = source.reason === '' ? '' : `  ${source.reason}`;
  return `  ${source.id.padEnd(16)} ${source.type.padEnd(8)} ${source.state.padEnd(9)} ${rates}${reason}`;
}

function machineLines(machine: MachineView): string[] {
  const health =
    machine.health === undefined ? 'learning' : `${bar(machine.health)} ${percent(machine.health)}`;
  return [
    `  ${machine.id.padEnd(16)} ${machine.class.padEnd(8)} ${health}`,
    ...machine.points.map(pointLine),
  ];
}

function pointLine(point: PointView): string {
  const name = point.point.split('.').slice(1).join('.');
  const value = point.value === undefined ? '' : `${point.value.toPrecision(4)} ${point.unit}`;
  const score =
    point.score === undefined || point.threshold === undefined
      ? ''
      : `score ${point.score.toFixed(2)} (limit ${point.threshold.toFixed(2)})`;
  const verdict = point.diagnosis === undefined || point.diagnosis === 'normal' ? '' : `  ${point.diagnosis}`;
  return `    ${name.padEnd(26)} ${value.padEnd(16)} ${score}${verdict}`;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`.padStart(5);

function bar(share: number): string {
  const filled = Math.round(share * 20);
  return `[${'#'.repeat(filled)}${'.'.repeat(20 - filled)}]`;
}

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
