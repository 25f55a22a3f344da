import { connect } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { createLogger } from '../base/logger.js';
import { seededRandom, systemRandom } from '../base/random.js';
import { COMMAND_HELP } from '../simulator/commands.js';
import { PlantControl } from '../simulator/control.js';
import { demoConfig } from '../simulator/demo-config.js';
import { type Plant, startPlant } from '../simulator/plant.js';
import type { RegisterVerb } from './context.js';
import { durationOption, numberOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface SimulateOptions {
  readonly modbusPort: string;
  readonly rtuPort: string;
  readonly serialPort: string;
  readonly controlPort: string;
  readonly rtuPath?: string;
  readonly serialPath?: string;
  readonly mqtt?: string;
  readonly embeddedBroker?: boolean;
  readonly gearbox: boolean;
  readonly faultAfter: string;
  readonly do: readonly string[];
  readonly seed?: string;
  readonly duration?: string;
  readonly json?: boolean;
}

/** A plant that is told something answers within this time, milliseconds. */
const TELL_TIMEOUT_MS = 10_000;

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** `sm-edge simulate`: the virtual plant alone, as real servers; its faults and troubles are switched on by command. */
export const register: RegisterVerb = (program, context, exit) => {
  const simulateVerb = program
    .command('simulate')
    .description('the virtual plant alone: Modbus TCP and RTU, a serial line, MQTT, sound; faults by command')
    .option('--modbus-port <port>', 'port of the Modbus TCP server; 0 takes a free one', '0')
    .option('--rtu-port <port>', 'port of the device server of the Modbus RTU line', '0')
    .option('--rtu-path <file>', 'a serial port (pseudo terminal, by socat) for the RTU line')
    .option('--serial-port <port>', 'port of the device server of the vibration node', '0')
    .option('--serial-path <file>', 'a serial port (pseudo terminal, by socat) for the vibration node')
    .option('--control-port <port>', 'where `simulate tell` reaches the plant', '0')
    .option('--mqtt <url>', 'broker that the MQTT sensors publish to; without it they are silent')
    .option('--embedded-broker', 'print a config whose broker is in the gateway, at the address of --mqtt')
    .option('--no-gearbox', 'pump and fan alone')
    .option('--fault-after <duration|never>', 'when the bearing of pump-1 starts to fail', '1min')
    .option('--do <command>', 'a command to begin with; may be given often', collect, [])
    .option('--seed <number>', 'the same seed gives the same signals')
    .option('--duration <duration>', 'stop by itself after this time')
    .option('--json', 'the addresses as one JSON document on stdout')
    .addHelpText('after', `\nCommands, typed here or sent by \`sm-edge simulate tell\`:\n${COMMAND_HELP}`)
    .action(async (options: SimulateOptions) => {
      try {
        await simulate(options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  simulateVerb
    .command('tell <port> <command...>')
    .description('give a command to a plant that runs: tell 7070 fault pump-1 outer 0.5 over 2min')
    .action(async (port: string, words: string[], _options: unknown, verb: Command) => {
      const json = (verb.optsWithGlobals() as SimulateOptions).json === true;
      try {
        const answer = await tell(numberOption('port', port), words.join(' '));
        if (answer.startsWith('error: ')) throw new SmEdgeError('PLANT_COMMAND', answer.slice(7));
        await write(context.out, json ? `${JSON.stringify({ answer })}\n` : `${answer}\n`);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, json, thrown));
      }
    });

  async function simulate(options: SimulateOptions): Promise<void> {
    const port = (flag: string, text: string) => ({ port: numberOption(flag, text) });
    const durationMs =
      options.duration === undefined ? undefined : durationOption('--duration', options.duration);
    const seed = options.seed === undefined ? undefined : numberOption('--seed', options.seed);
    const stop = untilSignal(systemClock, durationMs);
    const say = (text: string) => void write(context.err, `${text}\n`);
    let plant: Plant | undefined;
    let control: PlantControl | undefined;
    let typed: Interface | undefined;
    try {
      plant = await startPlant({
        clock: systemClock,
        random: seed === undefined ? systemRandom : seededRandom(seed),
        logger: createLogger('warn', {}),
        faultAfterMs:
          options.faultAfter === 'never'
            ? Number.POSITIVE_INFINITY
            : durationOption('--fault-after', options.faultAfter),
        gearbox: options.gearbox,
        modbus: port('--modbus-port', options.modbusPort),
        rtu: port('--rtu-port', options.rtuPort),
        serial: port('--serial-port', options.serialPort),
        ports: {
          ...(options.rtuPath === undefined ? {} : { rtu: options.rtuPath }),
          ...(options.serialPath === undefined ? {} : { serial: options.serialPath }),
        },
        ...(options.mqtt === undefined ? {} : { mqtt: { url: options.mqtt } }),
      });
      control = new PlantControl(plant.controls, systemClock, say);
      const controlPort = await control.listen(numberOption('--control-port', options.controlPort));
      for (const line of options.do) {
        const { ok, text } = await control.run(line);
        if (!ok) throw new SmEdgeError('USAGE', `--do ${line}: ${text}`);
        say(text);
      }
      const config = demoConfig(plant.endpoints, '/var/lib/sm-edge', options.embeddedBroker === true);
      await write(
        context.out,
        options.json
          ? `${JSON.stringify({ ...plant.endpoints, control: { host: '127.0.0.1', port: controlPort } })}\n`
          : `# the plant runs; a gateway reads it with this config\n${stringify(config)}`,
      );
      if (options.json !== true)
        say(`the plant takes commands here (help), and by \`sm-edge simulate tell ${controlPort} COMMAND\``);
      typed = listenTo(control, say);
      await stop.done;
    } finally {
      typed?.close();
      context.in?.pause();
      stop.dispose();
      await control?.stop();
      await plant?.stop();
    }
  }

  /** Commands that are typed. */
  function listenTo(control: PlantControl, say: (text: string) => void): Interface | undefined {
    if (context.in === undefined) return undefined;
    const lines = createInterface({ input: context.in });
    lines.on('line', (line) => {
      if (line.trim() !== '')
        void control.run(line).then(({ ok, text }) => say(ok ? text : `error: ${text}`));
    });
    return lines;
  }
};

/** Sends one command to a plant on this machine; resolves with its answer. */
async function tell(port: number, line: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  const timer = systemClock.setTimer('tell the plant', TELL_TIMEOUT_MS, () =>
    socket.destroy(new Error('it does not answer')),
  );
  try {
    let answer = '';
    socket.setEncoding('utf8').write(`${line}\n`);
    for await (const chunk of socket) {
      answer += chunk;
      if (answer.endsWith('\n\n')) break;
    }
    return answer.trimEnd();
  } catch (cause) {
    throw new SmEdgeError('PLANT_UNREACHABLE', `no plant at port ${port}: ${(cause as Error).message}`, {
      hint: 'sm-edge simulate tells its port when it starts; --control-port sets it',
      cause,
    });
  } finally {
    timer.cancel();
    socket.destroy();
  }
}
