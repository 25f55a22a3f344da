import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { SmEdgeError } from '../../base/errors.js';
import { type Diagnosis, diagnose } from '../../diagnosis/diagnose.js';
import { resampleByAngle } from '../../features/angular-resampling.js';
import { parseBearing } from '../../features/bearings.js';
import { createExtractor } from '../../features/extractor.js';
import { angleFromPulses, meanSpeedHz, pulseTimes } from '../../features/shaft-angle.js';
import type { AnalysisSpec, FeatureVector } from '../../features/spec.js';
import { csvLines, guessSeparator, parseNumber, splitCsvLine } from '../../signals/csv.js';
import { parseIso } from '../../signals/time-format.js';
import { readWav } from '../../signals/wav.js';

export interface FeaturesOfFileOptions {
  /** Unit of the samples; `g` where missing. */
  readonly unit?: string;
  /** Value, in unit, of a sample of 1.0; 1 where missing. */
  readonly fullScale?: number;
  /** Sample rate, Hz: needed where the file does not tell it. */
  readonly rateHz?: number;
  /** Speed of the shaft, revolutions per minute. */
  readonly speedRpm?: number;
  /** `6205`, or `balls,ballMm,pitchMm,angleDeg`. */
  readonly bearing?: string;
  /** Teeth of the gear on the shaft. */
  readonly teeth?: number;
  /** Recording of a tachometer's pulses, taken together with the vibration. */
  readonly tachometer?: string;
  /** Pulses in one turn of the shaft; 1 where missing. */
  readonly pulsesPerTurn?: number;
  /** Samples in one block; the whole file where missing. */
  readonly blockLength?: number;
  /** `full` adds percentiles, autocorrelation, spectral lines, third octaves, and MFCC of sound. */
  readonly detail?: 'standard' | 'full';
  /** `acceleration` where missing, `sound-pressure` for the units Pa and FS. */
  readonly quantity?: string;
}

export interface FeaturesOfFile {
  readonly file: string;
  readonly sampleRateHz: number;
  readonly blocks: readonly { readonly offsetS: number; readonly features: FeatureVector }[];
  readonly diagnosis: Diagnosis;
}

const MAX_FILE_BYTES = 2 ** 30;

/** Features and diagnosis of one recording: WAV, CSV (one column of samples, or a time and a value), raw .f32 or .i16. */
export async function featuresOfFile(
  file: string,
  options: FeaturesOfFileOptions = {},
): Promise<FeaturesOfFile> {
  const recorded = await readSignal(file, options);
  const { samples, sampleRateHz, speedRpm } =
    options.tachometer === undefined
      ? { ...recorded, speedRpm: options.speedRpm }
      : atEqualAngles(recorded, await readSignal(options.tachometer, options), options.pulsesPerTurn);
  const { fullScale = 1, unit = 'g' } = options;
  if (fullScale !== 1) for (let i = 0; i < samples.length; i++) samples[i]! *= fullScale;
  if (samples.length === 0)
    throw new SmEdgeError('FILE_EMPTY', `${file} holds no samples`, {
      hint: 'Record it again: a recorder that was switched off at once leaves such files.',
    });
  const broken = samples.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0)
    throw new SmEdgeError('FILE_VALUES', `${file}: sample ${broken} is no finite number`, {
      hint: 'The recorder wrote a gap as NaN or infinity: cut it out.',
    });
  const blockLength = options.blockLength ?? samples.length;
  if (!Number.isInteger(blockLength) || blockLength < 1 || blockLength > samples.length) {
    throw new SmEdgeError('BLOCK_LENGTH', `a block of ${blockLength} samples does not fit ${file}`, {
      hint: `Choose --block between 1 and ${samples.length}.`,
    });
  }
  const { teeth } = options;
  if (teeth !== undefined && !(Number.isInteger(teeth) && teeth >= 5 && teeth <= 1000))
    throw new SmEdgeError('GEAR_TEETH', `a gear has no ${teeth} teeth`, {
      hint: 'Give the teeth of the gear on the shaft, 5 to 1000.',
    });
  const spec: AnalysisSpec = {
    sampleRateHz,
    blockLength,
    unit,
    quantity: options.quantity ?? (unit === 'Pa' || unit === 'FS' ? 'sound-pressure' : 'acceleration'),
    ...(speedRpm === undefined ? {} : { speedRpm }),
    ...(options.detail === undefined ? {} : { detail: options.detail }),
    ...(teeth === undefined ? {} : { gear: { teeth } }),
    ...(options.bearing === undefined ? {} : { bearing: parseBearing(options.bearing) }),
  };
  const extractor = await createExtractor(spec);
  const pieces = Array.from({ length: Math.floor(samples.length / blockLength) }, (_, index) =>
    samples.subarray(index * blockLength, (index + 1) * blockLength),
  );
  try {
    const blocks = pieces.map((piece, index) => ({
      offsetS: (index * blockLength) / sampleRateHz,
      features: extractor.extract(piece),
    }));
    // The diagnosis profits from every turn of the shaft: it takes the signal in one piece.
    return { file, sampleRateHz, blocks, diagnosis: await diagnose([samples], spec) };
  } finally {
    extractor.close();
  }
}

/**
 * The signal as it would be at a constant speed, the mean one: samples at equal angles of the shaft, by its tachometer.
 * Orders stand still in it however the speed wandered.
 */
function atEqualAngles(signal: Signal, tachometer: Signal, pulsesPerTurn = 1): Signal & { speedRpm: number } {
  const angle = angleFromPulses(pulseTimes(tachometer.samples, tachometer.sampleRateHz), pulsesPerTurn);
  const shaftHz = meanSpeedHz(angle);
  const samplesPerTurn = 2 ** Math.ceil(Math.log2(signal.sampleRateHz / shaftHz));
  const samples = resampleByAngle(signal.samples, signal.sampleRateHz, angle, samplesPerTurn);
  return { samples, sampleRateHz: samplesPerTurn * shaftHz, speedRpm: shaftHz * 60 };
}

interface Signal {
  readonly samples: Float32Array;
  readonly sampleRateHz: number;
}

async function readSignal(file: string, options: FeaturesOfFileOptions): Promise<Signal> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new SmEdgeError('FILE_MISSING', `${file} cannot be opened`, { cause, hint: 'Check the path.' });
  });
  const { size } = found;
  if (!found.isFile())
    throw new SmEdgeError('FILE_FORMAT', `${file} is no file`, {
      hint: 'Name one recording; "sm-edge replay" reads a folder with a manifest.json.',
    });
  if (size > MAX_FILE_BYTES)
    throw new SmEdgeError('FILE_TOO_LARGE', `${file} has ${size} bytes, more than 1 GiB`, {
      hint: 'Cut the recording into shorter files.',
    });
  const extension = extname(file).toLowerCase();
  if (extension === '.wav' || extension === '.wave') {
    const audio = await readWav(file);
    if (audio.channels !== 1)
      throw new SmEdgeError('WAV_FORMAT', `${file} has ${audio.channels} channels`, {
        hint: 'Write one file per channel.',
      });
    return { samples: audio.samples, sampleRateHz: options.rateHz ?? audio.sampleRateHz };
  }
  if (extension === '.csv' || extension === '.txt' || extension === '.tsv')
    return readCsvSignal(file, await readFile(file, 'utf8'), options.rateHz);
  const bytes = await readFile(file);
  const samples = decodeRaw(file, extension, bytes);
  if (options.rateHz === undefined) throw missingRate(file);
  return { samples, sampleRateHz: options.rateHz };
}

function decodeRaw(file: string, extension: string, bytes: Buffer): Float32Array {
  const size = { '.f32': 4, '.f32le': 4, '.i16': 2, '.i16le': 2, '.s16': 2, '.raw': 4, '.bin': 4 }[extension];
  if (size === undefined)
    throw new SmEdgeError('FILE_FORMAT', `${file}: "${extension}" is no known kind of recording`, {
      hint: 'Known are .wav, .csv, .f32 or .f32le (raw float32 little-endian) and .i16 or .i16le (raw int16).',
    });
  if (bytes.length % size !== 0)
    throw new SmEdgeError(
      'FILE_TRUNCATED',
      `${file}: its ${bytes.length} bytes are no whole number of samples`,
    );
  const samples = new Float32Array(bytes.length / size);
  for (let i = 0; i < samples.length; i++)
    samples[i] = size === 4 ? bytes.readFloatLE(4 * i) : bytes.readInt16LE(2 * i) / 2 ** 15;
  return samples;
}

/** The last numeric column holds the samples; a first column of times gives the rate where none is given. */
function readCsvSignal(file: string, text: string, rateHz: number | undefined): Signal {
  const values: number[] = [];
  const times: number[] = [];
  let separator: string | undefined;
  let lineNumber = 0;
  for (const line of csvLines(text)) {
    lineNumber++;
    separator ??= guessSeparator(line);
    const fields = splitCsvLine(line, separator);
    const value = parseNumber(fields[fields.length - 1]);
    if (!Number.isFinite(value)) {
      // The first line may be a header.
      if (lineNumber === 1) continue;
      throw new SmEdgeError('FILE_FORMAT', `${file} line ${lineNumber}: no number in the last column`);
    }
    values.push(value);
    if (fields.length > 1) times.push(timeSeconds(fields[0]!));
  }
  const sampleRateHz = rateHz ?? rateOf(times);
  if (sampleRateHz === undefined) throw missingRate(file);
  return { samples: Float32Array.from(values), sampleRateHz };
}

const timeSeconds = (text: string): number => {
  const seconds = parseNumber(text);
  return Number.isFinite(seconds) ? seconds : parseIso(text) / 1000;
};

function rateOf(timesS: readonly number[]): number | undefined {
  const durationS = (timesS[timesS.length - 1] ?? Number.NaN) - (timesS[0] ?? Number.NaN);
  const rate = (timesS.length - 1) / durationS;
  return Number.isFinite(rate) && rate > 0 ? rate : undefined;
}

const missingRate = (file: string) =>
  new SmEdgeError('SAMPLE_RATE_MISSING', `${file} does not tell its sample rate`, {
    hint: 'Give it with --rate HZ.',
  });
