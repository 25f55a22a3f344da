import type { AlarmRecord } from '../alarms/engine.js';
import type { AlarmCount, AlarmStatistics } from '../alarms/statistics.js';
import type { HeldBack } from '../alarms/validator.js';
import type { GatewayEvent } from '../events/event.js';
import type { AlarmDetails } from '../pipeline/desks/alarm-desk.js';
import { ago, localTime, printable, table, wrap } from './text.js';

/** What `sm-edge alarms` shows a technician. Pure functions of what the daemon answered. */

const WIDTH = 96;
const INDENT = '    ';
const FLOOD = 10;
const FLOOD_MS = 600_000;

const keyOf = ({ alarm, point }: { readonly alarm: string; readonly point: string }) => `${alarm}@${point}`;

const paragraph = (text: string, indent: string): string[] =>
  wrap(printable(text), WIDTH - indent.length).map((line) => `${indent}${line}`);

export function listText(alarms: readonly AlarmRecord[], nowMs: number): string {
  if (alarms.length === 0) return 'no alarm\n';
  const unseen = alarms.filter(({ state }) => state.endsWith('unacknowledged')).length;
  const recent = alarms.filter(({ active, raisedMs }) => active && nowMs - raisedMs < FLOOD_MS).length;
  const groups = grouped(alarms);
  const lines = [
    `${alarms.length} ${alarms.length === 1 ? 'alarm' : 'alarms'}, ${unseen} not acknowledged`,
    ...(recent > FLOOD
      ? [`FLOOD: ${recent} alarms came in the last ten minutes; look at the first of each machine`]
      : []),
    '',
    ...groups.flatMap((group) =>
      group.flatMap((record, at) => recordLines(record, nowMs, at > 0 ? '  ' : '', group.length)),
    ),
  ];
  const first = groups.flat().find(({ state }) => state.endsWith('unacknowledged'));
  if (first !== undefined) lines.push(`acknowledge with: sm-edge alarms ack ${keyOf(first)}`);
  return `${lines.join('\n')}\n`;
}

/** Alarms that came together stand together, the first one on top; the groups keep the order of their most urgent. */
function grouped(alarms: readonly AlarmRecord[]): AlarmRecord[][] {
  const groups = new Map<string, AlarmRecord[]>();
  for (const record of alarms) {
    const id = record.group?.id ?? keyOf(record);
    groups.set(id, [...(groups.get(id) ?? []), record]);
  }
  return [...groups.values()].map((group) =>
    group.sort((a, b) => (a.group?.place ?? 0) - (b.group?.place ?? 0)),
  );
}

function recordLines(record: AlarmRecord, nowMs: number, indent: string, together: number): string[] {
  const { severity, state, sinceMs, message, group, by, note, shelf } = record;
  const seen = state.endsWith('unacknowledged') ? state.toUpperCase() : state;
  const who = by === undefined ? '' : ` by ${by}`;
  const until = shelf === undefined ? '' : `, back at ${localTime(shelf.untilMs)}`;
  const head = `${indent}${severity.toUpperCase().padEnd(8)} ${seen}${who}, for ${ago(nowMs - sinceMs)}${until}`;
  const first = group?.firstOut === true && together > 1 ? [`came first of ${together} at this machine`] : [];
  const facts = [...first, ...(note === undefined ? [] : [`note: ${note}`])];
  return [
    printable(head),
    printable(`${indent}${INDENT}${keyOf(record)}`),
    ...(message === '' ? [] : paragraph(message, `${indent}${INDENT}`)),
    ...facts.flatMap((fact) => paragraph(fact, `${indent}${INDENT}`)),
    '',
  ];
}

export function detailsText({ record, definition, history }: AlarmDetails, nowMs: number): string {
  const lines = [
    ...recordLines(record, nowMs, '', 1),
    'What it watches',
    ...table(definitionRows(definition)).map((line) => `${INDENT}${line}`),
    '',
    history.length === 0 ? 'Nothing happened to it yet' : 'What happened, oldest first',
    ...history.flatMap(historyLines),
    ...(record.thread === undefined
      ? []
      : [
          '',
          printable(
            `what led to it and what came of it: sm-edge events list --correlation ${record.thread.correlationId}`,
          ),
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

export function heldText(held: readonly HeldBack[]): string {
  if (held.length === 0) return 'nothing was held back\n';
  const lines = held.flatMap(({ point, fromMs, blocks, score, threshold, confidence, reasons }) => [
    printable(
      `${localTime(fromMs)}  ${point}  ${blocks} ${blocks === 1 ? 'block' : 'blocks'}, score ${score.toFixed(2)} (limit ${threshold.toFixed(2)}), believed ${percent(confidence)}`,
    ),
    ...paragraph(reasons.map(({ text }) => text).join('; '), INDENT),
  ]);
  return `${lines.join('\n')}\n`;
}

/** Milliseconds as a person writes them in the config. */
const DURATIONS = new Set(['onDelay', 'offDelay', 'missing']);

function definitionRows(definition: AlarmDetails['definition']): string[][] {
  return Object.entries(definition)
    .filter(([key, value]) => key !== 'id' && key !== 'enabled' && value !== undefined && value !== false)
    .map(([key, value]) => {
      if (DURATIONS.has(key)) return [key, `${Number(value) / 1000} s`];
      return [key, printable(typeof value === 'object' ? JSON.stringify(value) : String(value))];
    });
}

function historyLines({ type, time, payload }: GatewayEvent): string[] {
  const { message, by, note } = payload as { message?: string; by?: string; note?: string };
  const what = type
    .replace(/^Alarm/, '')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
  const who = by === undefined ? '' : ` by ${by}`;
  const why = note === undefined || type === 'AlarmCommented' ? '' : ` (${note})`;
  const detail = type === 'AlarmRaised' || type === 'AlarmCommented' || type === 'AlarmLabelled';
  return [
    `${INDENT}${localTime(Date.parse(time))}  ${printable(`${what}${who}${why}`)}`,
    ...(detail && message !== undefined ? paragraph(message, `${INDENT}${' '.repeat(21)}`) : []),
  ];
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

export function statisticsText(stats: AlarmStatistics): string {
  const { perTenMinutes: rate, byPriority } = stats;
  const priorities = Object.entries(byPriority)
    .map(([priority, share]) => `${priority} ${percent(share)}`)
    .join(', ');
  const mostAt = rate.mostAtMs === undefined ? '' : ` (at ${localTime(rate.mostAtMs)})`;
  const answered =
    stats.acknowledgedAfterMs === undefined
      ? 'none was acknowledged'
      : `median ${ago(stats.acknowledgedAfterMs)}`;
  const rows = [
    ['alarms', `${stats.raised}`],
    ['a day', `${stats.perDay.toFixed(1)} (goal: below 150)`],
    [
      'an hour',
      `${stats.perHour.toFixed(2)} (goal: below 6); ${percent(stats.hoursOver30)} of the hours with more than 30`,
    ],
    ['10 minutes', `${rate.average.toFixed(2)} (goal: below 1), ${rate.most} at most${mostAt}`],
    [
      'in flood',
      `${percent(stats.timeInFlood)} of the time (goal: below 1 %), ${stats.floods.length} ${stats.floods.length === 1 ? 'flood' : 'floods'}`,
    ],
    ['top ten', `${percent(stats.frequentShare)} of all alarms (goal: below 5 %)`],
    ['by priority', `${priorities} (recommended: 80 % low, 15 % medium, 5 % high)`],
    ['acknowledged after', answered],
    ['missed', `${stats.missed.length} faults that people reported and no alarm told of`],
    [
      'now',
      `${stats.unacknowledged} not acknowledged, ${stats.shelved} shelved, ${stats.suppressed} suppressed, ${stats.outOfService} out of service`,
    ],
  ];
  return `${[
    `${localTime(stats.fromMs)} to ${localTime(stats.toMs)}`,
    ...table(rows).map((line) => `  ${line}`),
    ...(stats.floods.length === 0
      ? []
      : [
          'Floods (more than 10 in 10 minutes, until fewer than 5)',
          ...stats.floods.map(
            ({ fromMs, toMs, alarms, first }) =>
              `  ${localTime(fromMs)}  ${alarms} alarms in ${ago(toMs - fromMs)}, first ${keyOf(first)}`,
          ),
        ]),
    ...(stats.missed.length === 0
      ? []
      : [
          'Missed',
          ...stats.missed.map(
            ({ point, fromMs, toMs, cause, by }) =>
              `  ${localTime(fromMs)}  ${printable(`${point}: ${cause}, for ${ago(toMs - fromMs)} (said ${by})`)}`,
          ),
        ]),
    ...counted('Most frequent', stats.frequent),
    ...counted('Chattering (three times or more in a minute)', stats.chattering),
    ...counted('Fleeting (gone within a minute, unseen)', stats.fleeting),
    ...(stats.standing.length === 0
      ? []
      : [
          'Standing for more than a day',
          ...stats.standing.map((one) => `  since ${localTime(one.sinceMs)}  ${keyOf(one)}`),
        ]),
  ].join('\n')}\n`;
}

function counted(title: string, counts: readonly AlarmCount[]): string[] {
  if (counts.length === 0) return [];
  const rows = counts.map((one) => [
    `${one.count} ${one.count === 1 ? 'time' : 'times'}`,
    percent(one.share),
    keyOf(one),
  ]);
  return [title, ...table(rows).map((line) => `  ${line}`)];
}
