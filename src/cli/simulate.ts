import { stringify } from 'yaml';
import { systemClock } from '../base/clock.js';
import { createLogger } from '../base/logger.js';
import { seededRandom, systemRandom } from '../base/random.js';
import { demoConfig } from '../simulator/demo-config.js';
import { startPlant } from '../simulator/plant.js';
import type { RegisterVerb } from './context.js';
import { durationOption, numberOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface SimulateOptions {
  readonly modbusPort: string;
  readonly serialPort: string;
  readonly mqtt?: string;
  readonly faultAfter: string;
  readonly seed?: string;
  readonly duration?: string;
  readonly json?: boolean;
}

/** `sm-edge simulate`: the virtual plant alone, as real servers. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('simulate')
    .description('the virtual plant alone: Modbus TCP, a serial device server, MQTT')
    .option('--modbus-port <port>', 'port of the Modbus TCP server; 0 takes a free one', '0')
    .option('--serial-port <port>', 'port of the serial device server; 0 takes a free one', '0')
    .option('--mqtt <url>', 'broker that the MQTT sensors publish to; without it they are silent')
    .option('--fault-after <duration>', 'when the bearing of pump-1 starts to fail', '1min')
    .option('--seed <number>', 'the same seed gives the same signals')
    .option('--duration <duration>', 'stop by itself after this time')
    .option('--json', 'the addresses as one JSON document on stdout')
    .action(async (options: SimulateOptions) => {
      try {
        await simulate(options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function simulate(options: SimulateOptions): Promise<void> {
    const faultAfterMs = durationOption('--fault-after', options.faultAfter);
    const durationMs =
      options.duration === undefined ? undefined : durationOption('--duration', options.duration);
    const seed = options.seed === undefined ? undefined : numberOption('--seed', options.seed);
    const stop = untilSignal(systemClock, durationMs);
    const plant = await startPlant({
      clock: systemClock,
      random: seed === undefined ? systemRandom : seededRandom(seed),
      logger: createLogger('warn', {}),
      faultAfterMs,
      modbus: { port: numberOption('--modbus-port', options.modbusPort) },
      serial: { port: numberOption('--serial-port', options.serialPort) },
      ...(options.mqtt === undefined ? {} : { mqtt: { url: options.mqtt } }),
    });
    try {
      await write(
        context.out,
        options.json
          ? `${JSON.stringify(plant.endpoints)}\n`
          : `# the plant runs; a gateway reads it with this config\n${stringify(demoConfig(plant.endpoints, '/var/lib/sm-edge'))}`,
      );
      await stop.done;
    } finally {
      stop.dispose();
      await plant.stop();
    }
  }
};
