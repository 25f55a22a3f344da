import { Option } from 'commander';
import { featuresOfFile } from '../pipeline/recordings/features-of-file.js';
import type { RegisterVerb } from './context.js';
import { numberOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';

interface FeaturesOptions {
  readonly unit?: string;
  readonly fullScale?: string;
  readonly rate?: string;
  readonly speed?: string;
  readonly bearing?: string;
  readonly gear?: string;
  readonly tachometer?: string;
  readonly pulsesPerTurn?: string;
  readonly block?: string;
  readonly quantity?: string;
  readonly json?: boolean;
}

/** `sm-edge features`: the features of one recording. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('features')
    .description('features of one recording (WAV, CSV, raw f32le/i16le) and a diagnosis')
    .argument('<file>', 'the recording')
    .option('--unit <unit>', 'unit of a sample: g, m/s2, mm/s, Pa, FS')
    .option('--quantity <quantity>', 'acceleration, velocity, sound-pressure')
    .option('--full-scale <value>', 'value, in the unit, of a sample of 1.0')
    .option('--rate <hz>', 'sample rate, Hz, where the file does not say it')
    .option('--speed <rpm>', 'shaft speed, rpm')
    .addOption(new Option('--bearing <bearing>', 'designation, or balls,ballMm,pitchMm,angleDeg'))
    .option('--gear <teeth>', 'teeth of the gear on the shaft')
    .option('--tachometer <file>', 'pulses of a tachometer, recorded together with the vibration')
    .option('--pulses-per-turn <n>', 'pulses of the tachometer in one turn; 1 where missing')
    .option('--block <samples>', 'block length; without it the whole file is one block')
    .option('--json', 'one JSON document on stdout')
    .action(async (file: string, options: FeaturesOptions) => {
      try {
        const answer = await featuresOfFile(file, {
          ...(options.unit === undefined ? {} : { unit: options.unit }),
          ...(options.quantity === undefined ? {} : { quantity: options.quantity }),
          ...(options.fullScale === undefined
            ? {}
            : { fullScale: numberOption('--full-scale', options.fullScale) }),
          ...(options.rate === undefined ? {} : { rateHz: numberOption('--rate', options.rate) }),
          ...(options.speed === undefined ? {} : { speedRpm: numberOption('--speed', options.speed) }),
          ...(options.block === undefined ? {} : { blockLength: numberOption('--block', options.block) }),
          ...(options.gear === undefined ? {} : { teeth: numberOption('--gear', options.gear) }),
          ...(options.tachometer === undefined ? {} : { tachometer: options.tachometer }),
          ...(options.pulsesPerTurn === undefined
            ? {}
            : { pulsesPerTurn: numberOption('--pulses-per-turn', options.pulsesPerTurn) }),
          ...(options.bearing === undefined ? {} : { bearing: options.bearing }),
        });
        await write(context.out, options.json ? `${JSON.stringify(answer)}\n` : table(answer));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

function table(answer: Awaited<ReturnType<typeof featuresOfFile>>): string {
  const lines = [`${answer.file}: ${answer.sampleRateHz} Hz, ${answer.blocks.length} block(s)`];
  for (const block of answer.blocks) {
    lines.push('', `from ${block.offsetS.toFixed(3)} s`);
    for (const [name, value] of Object.entries(block.features)) {
      lines.push(`  ${name.padEnd(28)} ${Number(value.toPrecision(6))}`);
    }
  }
  const { fault, confidence, sentence } = answer.diagnosis;
  lines.push('', `diagnosis: ${fault} (confidence ${(confidence * 100).toFixed(0)} %)`, sentence, '');
  return lines.join('\n');
}
