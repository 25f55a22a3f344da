import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import type { HeardTopic } from '../sources/mqtt/tools/listen.js';
import { type AcceptedGuess, guessPayload } from '../sources/payloads/guess.js';
import type { RegisterVerb } from './context.js';
import { type BrokerOptions, brokerOf, brokerOptions, pastedBroker } from './mqtt-target.js';
import { durationOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface ScanMqttOptions extends BrokerOptions {
  readonly filter: readonly string[];
  readonly for: string;
  readonly json?: boolean;
}

/** Topics that are proposed to be pasted; all are listed. */
const MAX_PROPOSED = 200;

interface Row {
  readonly heard: HeardTopic;
  readonly intervalMs: number | undefined;
  readonly guess: AcceptedGuess | undefined;
  readonly sparkplug: boolean;
}

/** `sm-edge scan mqtt`: which topics a broker carries, how often, and what is in them. Listens only. */
export const register: RegisterVerb = (program, context, exit) => {
  const command = program
    .command('mqtt')
    .description(
      'which topics a broker carries, how often, and what seems to be in them; it listens, and never publishes',
    )
    .argument('<url>', 'mqtt://HOST:1883, mqtts://HOST:8883, ws://HOST/PATH')
    .option('--filter <filter...>', 'topic filters to listen to', ['#'])
    .option('--for <duration>', 'how long to listen', '10s')
    .option('--json', 'one JSON document on stdout');
  brokerOptions(command).action(async (url: string, options: ScanMqttOptions) => {
    try {
      exit(await scan(url, options));
    } catch (thrown) {
      exit(await reportFailure(context, options.json === true, thrown));
    }
  });

  async function scan(url: string, options: ScanMqttOptions): Promise<number> {
    const broker = brokerOf(url, options, context.env);
    const durationMs = durationOption('--for', options.for);
    const { listen, intervalMsOf } = await import('../sources/mqtt/tools/listen.js');
    const progress = new Progress(context, 'scan', durationMs);
    const stop = untilSignal(systemClock);
    const aborted = new AbortController();
    void stop.done.then(() => aborted.abort());
    try {
      const { topics, ...figures } = await listen({
        broker,
        filters: options.filter,
        durationMs,
        clock: systemClock,
        signal: aborted.signal,
        onProgress: (elapsedMs, count) => progress.update(Math.min(elapsedMs, durationMs), `${count} topics`),
      });
      progress.end();
      const rows = topics.map((heard): Row => {
        const intervalMs = intervalMsOf(heard);
        const sparkplug = heard.topic.startsWith('spBv1.0/');
        const [guess] = sparkplug ? [] : guessPayload(heard.payloads, { name: heard.topic, intervalMs });
        return { heard, intervalMs, guess, sparkplug };
      });
      const yaml = await yamlOf(url, options, rows);
      if (options.json) {
        const shown = rows.map(
          ({
            heard: { payloads: _, firstMs: _first, lastMs: _last, ...heard },
            intervalMs,
            guess,
            sparkplug,
          }) => ({
            ...heard,
            ratePerS: intervalMs === undefined ? null : Number((1000 / intervalMs).toPrecision(3)),
            kind: sparkplug ? 'sparkplug' : (guess?.kind ?? null),
            payload: guess?.config ?? null,
            note: guess?.note ?? '',
          }),
        );
        await write(context.out, `${JSON.stringify({ ...figures, topics: shown, yaml })}\n`);
      } else await write(context.out, textOf(url, rows, figures, yaml));
      return EXIT.done;
    } finally {
      progress.end();
      stop.dispose();
    }
  }
};

function textOf(
  url: string,
  rows: readonly Row[],
  {
    messages,
    unheard,
    durationMs,
    refused,
  }: { messages: number; unheard: number; durationMs: number; refused: readonly string[] },
  yaml: string,
): string {
  const refusal = refused.length === 0 ? '' : `the broker refuses: ${refused.join(', ')}\n`;
  if (rows.length === 0)
    return `${refusal}nothing was heard in ${(durationMs / 1000).toFixed(0)} s; may this user read these topics? try --for 1min\n`;
  const lines = rows.map(({ heard, intervalMs, guess, sparkplug }) => {
    const rate =
      intervalMs === undefined
        ? heard.retained === heard.messages
          ? 'retained'
          : 'once'
        : `${(1000 / intervalMs).toPrecision(3)}/s`;
    const kind = sparkplug ? 'sparkplug' : (guess?.kind ?? 'unknown');
    const size = `${Math.round(heard.bytes / heard.messages)} B`;
    return `${kind.padEnd(13)} ${rate.padStart(9)} ${size.padStart(9)}  ${heard.topic}`;
  });
  const more =
    unheard === 0 ? '' : `${unheard} messages of further topics were left out: listen with --filter\n`;
  const notes = [...new Set(rows.flatMap(({ guess }) => (guess?.note ? [`# ${guess.note}\n`] : [])))];
  return [
    refusal,
    `${messages} messages on ${rows.length} topics in ${(durationMs / 1000).toFixed(0)} s\n\n`,
    `${'kind'.padEnd(13)} ${'rate'.padStart(9)} ${'size'.padStart(9)}  topic\n${lines.join('\n')}\n`,
    more,
    yaml === '' ? '' : `\n# to paste; look closer: sm-edge probe mqtt ${url} TOPIC\n${notes.join('')}${yaml}`,
  ].join('');
}

async function yamlOf(url: string, options: ScanMqttOptions, rows: readonly Row[]): Promise<string> {
  const { proposeSubscriptions } = await import('../sources/mqtt/tools/propose.js');
  const { proposeMetrics } = await import('../sources/sparkplug/propose.js');
  const broker = pastedBroker(url, options);
  const read = rows.flatMap(({ heard, guess }) =>
    guess === undefined ? [] : [{ topic: heard.topic, guess }],
  );
  const subscriptions = proposeSubscriptions(read.slice(0, MAX_PROPOSED));
  const metrics = proposeMetrics(rows.filter(({ sparkplug }) => sparkplug).map(({ heard }) => heard));
  const sources = [
    ...(subscriptions.length === 0 ? [] : [{ id: 'plant-mqtt', type: 'mqtt', broker, subscriptions }]),
    ...(metrics.length === 0 ? [] : [{ id: 'plant-sparkplug', type: 'sparkplug', broker, metrics }]),
  ];
  return sources.length === 0 ? '' : stringify({ sources }, { aliasDuplicateObjects: false });
}
