import { parseDurationMs } from '../base/duration.js';
import { SmEdgeError } from '../base/errors.js';
import { loadConfig } from '../config/load.js';
import { evaluate } from '../pipeline/evaluation/evaluate.js';
import { parseFitRule } from '../pipeline/evaluation/fit-rule.js';
import type { Detection, Evaluation, RecordingResult, StateQuality } from '../pipeline/evaluation/result.js';
import { MachineRegistry } from '../pipeline/machines/machines.js';
import { openRecordingSet } from '../signals/recording-set.js';
import type { RegisterVerb } from './context.js';
import { EXIT, Progress, reportFailure, write } from './output.js';

interface EvaluateOptions {
  readonly config?: string;
  readonly fit?: string;
  readonly join?: string;
  readonly only?: string;
  readonly ignoreLevel?: boolean;
  readonly json?: boolean;
}

/** `sm-edge evaluate`: how well the gateway tells faults from health on recordings whose truth is known. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('evaluate')
    .description('learns the healthy part of a recording set and judges the rest; compares with its labels')
    .argument('<dir>', 'folder with manifest.json (recording-set/1)')
    .option(
      '--fit <what>',
      'healthy, train, or first:ROWS; recordings labelled normal and the first fifth of a series where missing',
    )
    .option('--join <duration>', 'anomalies at most this far apart are one detection, such as 1d')
    .option('--only <prefix>', 'files whose path begins so; all where missing')
    .option('--ignore-level', 'judge by what does not change with the gain of the sensor')
    .option('--config <file>', 'machines of this config instead of those of the manifest')
    .option('--json', 'one JSON document on stdout')
    .action(async (dir: string, options: EvaluateOptions) => {
      try {
        const answer = await run(dir, options);
        await write(context.out, options.json ? `${JSON.stringify(answer)}\n` : report(answer));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function run(dir: string, options: EvaluateOptions): Promise<Evaluation> {
    const { only, config } = options;
    const fit = parseFitRule(options.fit);
    const joinMs = options.join === undefined ? 0 : parseDurationMs(options.join);
    if (joinMs === undefined)
      throw new SmEdgeError('USAGE', `"${options.join}" is no duration`, {
        hint: 'Write --join 1d or --join 30min.',
      });
    const set = await openRecordingSet(dir);
    const { recordings, tables } = set.manifest;
    const progress = new Progress(context, 'evaluate', recordings.length + tables.length);
    try {
      return await evaluate({
        set,
        fit,
        joinMs,
        ignoreLevel: options.ignoreLevel === true,
        ...(only === undefined ? {} : { only: (file) => file.startsWith(only) }),
        ...(config === undefined
          ? {}
          : { machines: new MachineRegistry(loadConfig(config, context.env).config.machines) }),
        onProgress: (done, _total, file) => progress.update(done, file),
      });
    } finally {
      progress.end();
    }
  }
};

const MOST_LINES = 60;

function report(answer: Evaluation): string {
  const { confusion, windows } = answer;
  const lines = [
    `${answer.set}: learned from the healthy part, judged on the rest`,
    '',
    ...rowsOf([
      ['ROC AUC', number(answer.rocAuc)],
      ['F1', number(answer.f1)],
      ['precision', percent(answer.precision)],
      ['recall', percent(answer.recall)],
      ['accuracy', percent(answer.accuracy)],
      ['false alarm rate', percent(answer.falseAlarmRate)],
      ['missed alarm rate', percent(answer.missedAlarmRate)],
      ['confusion', `tp ${confusion.tp}  fp ${confusion.fp}  tn ${confusion.tn}  fn ${confusion.fn}`],
      ['median delay', seconds(answer.medianDelayS)],
      ['median lead', seconds(answer.medianLeadS)],
    ]),
  ];
  if (windows.total > 0)
    lines.push(
      `labelled stretches: ${windows.detected} of ${windows.total} detected, ${windows.falseDetections} false detections`,
    );
  if (answer.states.length > 0) lines.push('', 'operating states', ...answer.states.map(stateLine));
  lines.push('', 'recordings', ...shortened(answer.perRecording.map(recordingLine)));
  if (answer.detections.length > 0)
    lines.push('', 'detections', ...shortened(answer.detections.map(detectionLine)));
  if (answer.notes.length > 0) lines.push('', 'notes', ...shortened(answer.notes.map((note) => `  ${note}`)));
  return `${lines.join('\n')}\n`;
}

const rowsOf = (rows: readonly (readonly [string, string])[]): string[] =>
  rows.map(([name, value]) => `  ${name.padEnd(18)} ${value}`);

const shortened = (lines: readonly string[]): string[] =>
  lines.length <= MOST_LINES
    ? [...lines]
    : [...lines.slice(0, MOST_LINES), `  ... ${lines.length - MOST_LINES} more: --json lists all`];

function recordingLine({ file, label, score, anomalous, diagnosis, remark, state }: RecordingResult): string {
  const verdict = anomalous === null ? 'not judged' : anomalous ? 'ANOMALOUS' : 'normal';
  const seen = diagnosis === null ? '' : `${diagnosis.fault} ${(100 * diagnosis.confidence).toFixed(0)} %`;
  const told = state === undefined ? seen : `${seen} (${state})`.trimStart();
  const start = `  ${file.slice(-40).padEnd(40)} ${(label ?? '-').slice(0, 14).padEnd(14)} ${verdict.padEnd(10)}`;
  return `${start} ${number(score).padStart(7)}  ${remark ?? told}`.trimEnd();
}

function stateLine(of: StateQuality): string {
  const { state, learned, judged, unjudged, confusion } = of;
  const told = [
    `F1 ${number(of.f1)}`,
    `false ${percent(of.falseAlarmRate)}`,
    `missed ${percent(of.missedAlarmRate)}`,
    `tp ${confusion.tp}  fp ${confusion.fp}  tn ${confusion.tn}  fn ${confusion.fn}`,
  ];
  const apart = unjudged === 0 ? '' : `, ${unjudged} not judged`;
  return `  ${state.padEnd(18)} ${learned} learned, ${judged} judged${apart}  ${told.join('  ')}`;
}

function detectionLine({ file, from, score, truth, delayS, lifeShare, channel }: Detection): string {
  const judged = truth === null ? '' : truth ? 'right' : 'FALSE';
  const when = lifeShare === null ? '' : `at ${(100 * lifeShare).toFixed(0)} % of life`;
  const delay = delayS === null ? '' : `after ${seconds(delayS)}`;
  return `  ${file.slice(-30).padEnd(30)} ${from} ${number(score).padStart(7)} ${[judged, delay, when, channel].filter(Boolean).join('  ')}`;
}

const number = (value: number | null): string => (value === null ? '-' : value.toFixed(3));
const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(2)} %`);

function seconds(value: number | null): string {
  if (value === null) return '-';
  if (value < 600) return `${value.toFixed(1)} s`;
  return value < 172_800 ? `${(value / 3600).toFixed(1)} h` : `${(value / 86_400).toFixed(1)} d`;
}
