import {
  explainedBy,
  featuresOf,
  framesOf,
  type ModelInputs,
  rawWidthOf,
  scalerWidthsOf,
} from './manifest-inputs.js';
import { type ModelOutput, outputWidthOf } from './manifest-output.js';

/** The keys of a manifest that depend on each other. */
interface Parts {
  readonly task: 'anomaly' | 'classification' | 'forecast';
  readonly signal: {
    readonly unit?: string | undefined;
    readonly sampleRateHz?: { readonly min: number; readonly max: number } | undefined;
  };
  readonly inputs: ModelInputs;
  readonly scaler:
    | { readonly kind: 'in-graph' }
    | { readonly kind: 'affine'; readonly center: readonly number[]; readonly scale: readonly number[] };
  readonly output: ModelOutput;
  readonly training: {
    readonly histograms: Readonly<Record<string, unknown>>;
    readonly states?:
      | Readonly<Record<string, { readonly histograms: Readonly<Record<string, unknown>> }>>
      | undefined;
  };
  readonly golden: {
    readonly vectors: readonly {
      readonly input: readonly number[];
      readonly output: number | readonly number[];
    }[];
  };
}

interface Contradiction {
  readonly path: PropertyKey[];
  readonly message: string;
}

/** What each key says alone may be right and yet not fit the others. */
export function* contradictions({
  task,
  signal,
  inputs,
  scaler,
  output,
  training,
  golden,
}: Parts): Generator<Contradiction> {
  const kind = output.kind ?? 'score';
  const wanted = {
    anomaly: ['score', 'reconstruction'],
    classification: ['classes'],
    forecast: ['forecast'],
  };
  // Manifests of the first form could name any task beside a score.
  if (output.kind !== undefined && !wanted[task].includes(kind))
    yield { path: ['output', 'kind'], message: `${task} takes ${wanted[task].join(' or ')}, not ${kind}` };

  const columns = explainedBy(inputs).length;
  const named = inputs.kind === 'spectrogram' ? 'mel bands' : 'features';
  const widths = scalerWidthsOf(inputs);
  if (scaler.kind === 'affine')
    for (const key of ['center', 'scale'] as const)
      if (!widths.includes(scaler[key].length))
        yield {
          path: ['scaler', key],
          message: `has ${scaler[key].length} values for ${widths[widths.length - 1]} ${named}`,
        };

  yield* wrongBase(output, columns, named);
  if (output.kind === 'forecast') {
    if (inputs.kind !== 'features' && inputs.kind !== 'sequence')
      yield {
        path: ['inputs', 'kind'],
        message: `a forecast takes features or sequence, not ${inputs.kind}`,
      };
    else if (output.horizon > 1 && inputs.kind === 'features')
      yield {
        path: ['output', 'horizon'],
        message: 'more than one step ahead needs a sequence, which says how far its steps are apart',
      };
  }
  if (inputs.kind === 'block' || inputs.kind === 'spectrogram') yield* wrongSignal(signal, inputs);

  const width = rawWidthOf(inputs);
  for (const [i, { input, output: told }] of golden.vectors.entries()) {
    if (input.length !== width)
      yield {
        path: ['golden', 'vectors', i, 'input'],
        message: `has ${input.length} values for ${width} ${width === columns ? 'features' : 'inputs'}`,
      };
    const told1 = typeof told === 'number' ? 1 : told.length;
    if (told1 !== outputWidthOf(output))
      yield {
        path: ['golden', 'vectors', i, 'output'],
        message: `has ${told1} values, ${kind} gives ${outputWidthOf(output)}`,
      };
  }
  const known = featuresOf(inputs);
  for (const feature of Object.keys(training.histograms))
    if (!known.includes(feature))
      yield { path: ['training', 'histograms', feature], message: 'is no input of this model' };
  for (const [state, { histograms }] of Object.entries(training.states ?? {}))
    for (const feature of Object.keys(histograms))
      if (!known.includes(feature))
        yield {
          path: ['training', 'states', state, 'histograms', feature],
          message: 'is no input of this model',
        };
}

function* wrongBase(output: ModelOutput, columns: number, named: string): Generator<Contradiction> {
  if (output.kind === 'reconstruction') {
    if (output.base !== undefined && output.base.length !== columns)
      yield { path: ['output', 'base'], message: `has ${output.base.length} values for ${columns} ${named}` };
  } else if (output.kind === 'score' || output.kind === undefined) {
    const base = output.contributions?.base;
    if (base !== undefined && base.length !== columns)
      yield {
        path: ['output', 'contributions', 'base'],
        message: `has ${base.length} values for ${columns} ${named}`,
      };
  }
}

function* wrongSignal(
  signal: Parts['signal'],
  inputs: Extract<ModelInputs, { kind: 'block' | 'spectrogram' }>,
): Generator<Contradiction> {
  const rates = signal.sampleRateHz;
  if (rates === undefined) yield { path: ['signal', 'sampleRateHz'], message: `a ${inputs.kind} needs it` };
  if (inputs.normalisation !== 'standard' && inputs.normalisation !== 'peak' && signal.unit === undefined)
    yield {
      path: ['signal', 'unit'],
      message: `a ${inputs.kind} of samples in their unit needs it (normalisation ${inputs.normalisation})`,
    };
  if (inputs.kind === 'block') return;
  const { mel } = inputs;
  if (rates !== undefined && (mel.sampleRateHz < rates.min || mel.sampleRateHz > rates.max))
    yield {
      path: ['inputs', 'mel', 'sampleRateHz'],
      message: `${mel.sampleRateHz} Hz is outside of signal.sampleRateHz, ${rates.min} to ${rates.max} Hz`,
    };
  const highest = mel.highHz ?? mel.sampleRateHz / 2;
  if (highest > mel.sampleRateHz / 2 || highest <= mel.lowHz)
    yield {
      path: ['inputs', 'mel', 'highHz'],
      message: `${highest} Hz is not between lowHz (${mel.lowHz}) and half the sample rate (${mel.sampleRateHz / 2})`,
    };
  if (mel.hop > mel.transformLength)
    yield { path: ['inputs', 'mel', 'hop'], message: 'must not exceed transformLength' };
  if (framesOf(inputs) < 1)
    yield { path: ['inputs', 'samples'], message: `${inputs.samples} samples give no frame` };
  if (framesOf(inputs) * mel.mels > MAX_IMAGE)
    yield {
      path: ['inputs', 'mel'],
      message: `an image of ${framesOf(inputs)} x ${mel.mels} is too large (at most ${MAX_IMAGE} values)`,
    };
}

/** A megabyte of float32. */
const MAX_IMAGE = 2 ** 18;
