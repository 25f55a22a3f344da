import { resampleByAngle } from '../features/angular-resampling.js';
import { medianOf } from '../features/fault-lines.js';
import type { FftLibrary } from '../features/fft.js';
import { fm4, synchronousAverage } from '../features/gear.js';
import { angleFromMesh } from '../features/mesh-angle.js';
import { orderSpectrum } from '../features/order-spectrum.js';
import { angleAtSpeed } from '../features/shaft-angle.js';
import type { ShaftSpeed } from '../features/shaft-speed.js';
import type { GearGeometry } from '../features/spec.js';
import type { Evidence } from './diagnosis.js';

/** What the sidebands of a gear mesh say of its teeth. */
export interface GearEvidence {
  readonly confidence: number;
  readonly lines: readonly Evidence[];
}

/** A line that stands this far over its floor is there. */
const CLEAR_RATIO = 5;
/** Sidebands looked at on each side of the mesh: a damaged tooth is a short event, and short events have many. */
const NEAR_SIDEBANDS = [1, 2, 3, 4, 5, 6];
/** Further out the comb of a local defect has faded; that of something that knocks once a turn has not. */
const FAR_SIDEBANDS = [9, 10, 11, 12];
const FAR_SHARE = 0.6;
/** Local damage: so many sidebands, so strong together (root of the sum of squares over the mesh). */
const LOCAL_COUNT = 6;
const LOCAL_STRENGTH = 0.4;
/** Eccentric or worn all around: the first sidebands alone, so strong against the mesh. */
const EVEN_COUNT = 3;
const EVEN_STRENGTH = 0.5;
/** FM4 of sound teeth is 3. */
const LOCAL_FM4 = 4;
/** Turns in a block below which orders next to the mesh cannot be told apart from its skirts. */
const LEAST_TURNS = 16;
/** Blocks that are looked at: their number adds certainty, not resolution. */
const MOST_BLOCKS = 4;

/**
 * Looks for damaged teeth in the order spectrum around the mesh. The angle of the shaft comes from the phase of the
 * mesh itself, so that a speed that wanders does not smear its sidebands (ISO 13373-3, annex on gears).
 */
export function gearEvidence(
  library: FftLibrary,
  blocks: readonly Float32Array[],
  sampleRateHz: number,
  speed: ShaftSpeed,
  { teeth }: GearGeometry,
): GearEvidence | undefined {
  if (!speed.certain || (teeth + FAR_SIDEBANDS[3]!) * speed.shaftHz > 0.4 * sampleRateHz) return undefined;
  const views = blocks
    .slice(0, MOST_BLOCKS)
    .flatMap((block) => meshView(library, block, sampleRateHz, speed.shaftHz, teeth) ?? []);
  if (views.length === 0) return undefined;
  const mean = (value: (view: MeshView) => number) =>
    Math.sqrt(views.reduce((sum, view) => sum + value(view) ** 2, 0) / views.length);
  const floor = mean((view) => view.floor);
  const lineAt = (side: number) => mean((view) => view.at(teeth + side));
  const mesh = lineAt(0);
  if (!(floor > 0) || mesh < CLEAR_RATIO * floor) return undefined;
  const sides = NEAR_SIDEBANDS.flatMap((side) => [-side, side]).map((side) => ({
    side,
    value: lineAt(side),
  }));
  const clear = sides.filter(({ value }) => value >= CLEAR_RATIO * floor);
  const strength = Math.hypot(...clear.map(({ value }) => value)) / mesh;
  const first = sides.filter(({ side }) => Math.abs(side) <= 2);
  const largestFirst = Math.max(...first.map(({ value }) => value)) / mesh;
  const far = average(FAR_SIDEBANDS.flatMap((side) => [lineAt(-side), lineAt(side)]));
  const near = average(first.map(({ value }) => value));
  if (far > FAR_SHARE * near) return undefined;
  const kurtosis = average(views.map((view) => view.fm4));
  const local = clear.length >= LOCAL_COUNT && strength >= LOCAL_STRENGTH;
  const even =
    first.filter(({ value }) => value >= CLEAR_RATIO * floor).length >= EVEN_COUNT &&
    largestFirst >= EVEN_STRENGTH;
  if (!local && !even) return undefined;
  const evidence = (feature: string, order: number, value: number, ratio: number): Evidence => ({
    feature,
    frequencyHz: order * speed.shaftHz,
    orders: order,
    value,
    ratio,
  });
  return {
    confidence: Math.min(0.95, 0.4 + 0.35 * Math.min(1, strength) + (kurtosis > LOCAL_FM4 ? 0.15 : 0)),
    lines: [
      evidence('gmf', teeth, mesh, mesh / floor),
      ...clear.map(({ side, value }) =>
        evidence(`gmf${side > 0 ? '+' : ''}${side}x`, teeth + side, value, value / floor),
      ),
      { feature: 'gear.fm4', frequencyHz: 0, orders: 0, value: kurtosis, ratio: kurtosis / 3 },
    ],
  };
}

interface MeshView {
  /** Amplitude at an order. */
  at(order: number): number;
  readonly floor: number;
  readonly fm4: number;
}

function meshView(
  library: FftLibrary,
  samples: Float32Array,
  sampleRateHz: number,
  shaftHz: number,
  teeth: number,
): MeshView | undefined {
  const angle =
    angleFromMesh(library, samples, sampleRateHz, shaftHz, teeth) ??
    angleAtSpeed(shaftHz, samples.length / sampleRateHz);
  const samplesPerTurn = 2 ** Math.ceil(Math.log2(sampleRateHz / shaftHz));
  const turned = resampleByAngle(samples, sampleRateHz, angle, samplesPerTurn);
  if (turned.length < LEAST_TURNS * samplesPerTurn) return undefined;
  const spectrum = orderSpectrum(library, turned, samplesPerTurn);
  if (spectrum === undefined) return undefined;
  const { amplitude, binOrder } = spectrum;
  const span = (order: number) => Math.round(order / binOrder);
  const from = span(teeth - FAR_SIDEBANDS[3]!);
  const to = span(teeth + FAR_SIDEBANDS[3]!);
  return {
    at: (order) => {
      const bin = span(order);
      return Math.max(amplitude[bin - 1] ?? 0, amplitude[bin] ?? 0, amplitude[bin + 1] ?? 0);
    },
    floor: medianOf(amplitude, Math.max(1, from), to, new Float64Array(Math.max(1, to - from))),
    fm4: fm4(synchronousAverage(turned, samplesPerTurn), teeth),
  };
}

const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
