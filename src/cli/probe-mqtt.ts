import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { type AcceptedGuess, guessPayload } from '../sources/payloads/guess.js';
import type { Decoded } from '../sources/payloads/payload.js';
import type { RegisterVerb } from './context.js';
import { type BrokerOptions, brokerOf, brokerOptions, pastedBroker } from './mqtt-target.js';
import { durationOption, numberOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface ProbeMqttOptions extends BrokerOptions {
  readonly messages: string;
  readonly for: string;
  readonly json?: boolean;
}

const MAX_SHOWN_BYTES = 256;
const MAX_SHOWN_VALUES = 12;

/** `sm-edge probe mqtt`: the messages of one topic, decoded by each decoder that accepts them. */
export const register: RegisterVerb = (program, context, exit) => {
  const command = program
    .command('mqtt')
    .description('one topic, decoded by each decoder that accepts its messages')
    .argument('<url>', 'mqtt://HOST:1883, mqtts://HOST:8883, ws://HOST/PATH')
    .argument('<topic>', 'the topic, without wildcards')
    .option('--messages <number>', 'messages to wait for', '3')
    .option('--for <duration>', 'how long to wait at most', '30s')
    .option('--json', 'one JSON document on stdout');
  brokerOptions(command).action(async (url: string, topic: string, options: ProbeMqttOptions) => {
    try {
      exit(await probe(url, topic, options));
    } catch (thrown) {
      exit(await reportFailure(context, options.json === true, thrown));
    }
  });

  async function probe(url: string, topic: string, options: ProbeMqttOptions): Promise<number> {
    if (/[+#]/.test(topic))
      throw new SmEdgeError('USAGE', `${topic}: one topic, without wildcards`, {
        hint: `sm-edge scan mqtt ${url} --filter '${topic}' lists topics`,
      });
    const broker = brokerOf(url, options, context.env);
    const wanted = Math.max(1, numberOption('--messages', options.messages));
    const { listen, intervalMsOf } = await import('../sources/mqtt/tools/listen.js');
    const progress = new Progress(context, 'probe', wanted);
    const stop = untilSignal(systemClock);
    const aborted = new AbortController();
    void stop.done.then(() => aborted.abort());
    let count = 0;
    try {
      const { topics } = await listen({
        broker,
        filters: [topic],
        durationMs: durationOption('--for', options.for),
        clock: systemClock,
        signal: aborted.signal,
        enough: (heard) => {
          count = heard.get(topic)?.messages ?? 0;
          return count >= wanted;
        },
        onProgress: () => progress.update(Math.min(count, wanted), topic),
      });
      progress.end();
      const [heard] = topics;
      const last = heard?.payloads.at(-1);
      if (heard === undefined || last === undefined)
        throw new SmEdgeError('MQTT_SILENT', `nothing was heard on ${topic}`, {
          hint: 'is the name right, and may this user read it? wait longer with --for 5min',
        });
      const intervalMs = intervalMsOf(heard);
      const guesses = guessPayload(heard.payloads, { name: topic, intervalMs });
      const { proposeSubscriptions } = await import('../sources/mqtt/tools/propose.js');
      const yamlOf = (guess: AcceptedGuess) =>
        stringify({ subscriptions: proposeSubscriptions([{ topic, guess }]) });
      const [first] = guesses;
      const yaml =
        first === undefined
          ? ''
          : stringify({
              sources: [
                {
                  id: 'plant-mqtt',
                  type: 'mqtt',
                  broker: pastedBroker(url, options),
                  subscriptions: proposeSubscriptions([{ topic, guess: first }]),
                },
              ],
            });
      const hex = Buffer.from(last.subarray(0, MAX_SHOWN_BYTES)).toString('hex');
      if (options.json) {
        const decoders = guesses.map(({ kind, config, note, decoded }) => ({
          kind,
          payload: config,
          note,
          ...summary(decoded),
        }));
        await write(
          context.out,
          `${JSON.stringify({ topic, messages: heard.messages, retained: heard.retained, bytes: last.length, intervalMs: intervalMs ?? null, hex, decoders, yaml })}\n`,
        );
        return EXIT.done;
      }
      const text = Buffer.from(last.subarray(0, MAX_SHOWN_BYTES))
        .toString('utf8')
        .replace(/[^\x20-\x7e\n]/g, '.');
      await write(
        context.out,
        [
          `${heard.messages} messages on ${topic}, ${last.length} bytes${intervalMs === undefined ? '' : `, every ${Math.round(intervalMs)} ms`}${heard.retained > 0 ? ', retained' : ''}\n`,
          `\nhex   ${hex.replace(/(.{2})/g, '$1 ')}${last.length > MAX_SHOWN_BYTES ? '…' : ''}\ntext  ${text}\n`,
          ...(guesses.length === 0 ? ['\nno decoder accepts it\n'] : []),
          ...guesses.map(
            (guess) =>
              `\n${guess.kind}${guess.note === '' ? '' : ` (${guess.note})`}\n${shown(guess.decoded)}`,
          ),
          ...(first === undefined ? [] : [`\n# to paste, the likeliest\n${yaml}`]),
          ...guesses.slice(1).map((guess) => `\n# or, as ${guess.kind}\n${yamlOf(guess)}`),
        ].join(''),
      );
      return first === undefined ? EXIT.failed : EXIT.done;
    } finally {
      progress.end();
      stop.dispose();
    }
  }
};

function summary({ readings, blocks }: Decoded): object {
  return {
    readings: readings.map(({ point, value, unit, timeMs, quality }) => ({
      name: point,
      value: Number.isNaN(value) ? null : value,
      unit,
      time: timeMs === 0 ? null : new Date(timeMs).toISOString(),
      quality,
    })),
    blocks: blocks.map(({ point, sampleRateHz, samples, unit, quality }) => ({
      name: point,
      sampleRateHz,
      samples: samples.length,
      unit,
      quality,
      first: [...samples.subarray(0, MAX_SHOWN_VALUES)],
    })),
  };
}

function shown({ readings, blocks }: Decoded): string {
  const lines = readings.slice(0, MAX_SHOWN_VALUES).map(({ point, value, unit, timeMs, quality }) => {
    const time = timeMs === 0 ? '' : `  ${new Date(timeMs).toISOString()}`;
    return `  ${point.padEnd(28)} ${value.toPrecision(6).padStart(12)} ${unit}${quality === 'good' ? '' : `  ${quality}`}${time}`;
  });
  const more = readings.length > MAX_SHOWN_VALUES ? [`  and ${readings.length - MAX_SHOWN_VALUES} more`] : [];
  const waves = blocks.map(({ point, samples, sampleRateHz, unit }) => {
    const first = [...samples.subarray(0, 6)].map((value) => value.toPrecision(4)).join(' ');
    return `  ${point.padEnd(28)} ${samples.length} samples at ${sampleRateHz} Hz, ${unit}: ${first} …`;
  });
  return `${[...lines, ...more, ...waves].join('\n')}\n`;
}
