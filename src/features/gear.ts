/**
 * The signal of one turn of a gear, and the usual figures of its state. All take samples at equal angles, a whole number
 * of turns (see angular-resampling.ts).
 */

/** Time-synchronous average (McFadden 1987): what turns with the shaft stays, all else falls with the root of the turns. */
export function synchronousAverage(samples: Float32Array, samplesPerTurn: number): Float64Array {
  const average = new Float64Array(samplesPerTurn);
  const turns = Math.floor(samples.length / samplesPerTurn);
  for (let i = 0; i < turns * samplesPerTurn; i++) average[i % samplesPerTurn]! += samples[i]! / turns;
  return average;
}

/** Cosine and sine amplitude of one order of a turn. */
function orderOf(turn: ArrayLike<number>, order: number): readonly [number, number] {
  let re = 0;
  let im = 0;
  const step = (2 * Math.PI * order) / turn.length;
  for (let i = 0; i < turn.length; i++) {
    re += turn[i]! * Math.cos(step * i);
    im += turn[i]! * Math.sin(step * i);
  }
  return [(2 * re) / turn.length, (2 * im) / turn.length];
}

/** Amplitude of one order of a turn, in the unit of the samples. */
export const orderAmplitude = (turn: ArrayLike<number>, order: number): number =>
  Math.hypot(...orderOf(turn, order));

/** Mesh harmonics that belong to a regular mesh, as far as the turn has samples for them. */
const MESH_HARMONICS = [1, 2, 3, 4];

const meshOrders = (length: number, teeth: number) =>
  MESH_HARMONICS.map((harmonic) => harmonic * teeth).filter((order) => order < length / 2);

/** A turn without some of its orders. */
function without(turn: Float64Array, orders: Iterable<number>): Float64Array {
  const rest = Float64Array.from(turn);
  for (const order of new Set(orders)) {
    const [re, im] = orderOf(turn, order);
    const step = (2 * Math.PI * order) / turn.length;
    for (let i = 0; i < rest.length; i++) rest[i]! -= re * Math.cos(step * i) + im * Math.sin(step * i);
  }
  return rest;
}

/** The residual signal: the average turn without its mean, the shaft's first two orders and the mesh. */
export function residualSignal(turn: Float64Array, teeth: number): Float64Array {
  const mean = turn.reduce((sum, value) => sum + value, 0) / turn.length;
  return without(
    turn.map((value) => value - mean),
    [1, 2, ...meshOrders(turn.length, teeth)],
  );
}

/** The difference signal: the residual without the first sidebands of the mesh too. */
export function differenceSignal(turn: Float64Array, teeth: number): Float64Array {
  const sidebands = meshOrders(turn.length, teeth).flatMap((order) => [order - 1, order + 1]);
  return without(residualSignal(turn, teeth), sidebands);
}

/** FM0 (Stewart 1977): peak to peak of the average turn over the sum of its mesh amplitudes; broken teeth raise it. */
export function fm0(turn: Float64Array, teeth: number): number {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of turn) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const mesh = meshOrders(turn.length, teeth).reduce((sum, order) => sum + orderAmplitude(turn, order), 0);
  return mesh > 0 ? (high - low) / mesh : 0;
}

function centralMoment(values: Float64Array, power: 2 | 4): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** power, 0) / values.length;
}

/** FM4 (Stewart 1977): kurtosis of the difference signal; 3 on sound teeth, more where one or two stand out. */
export function fm4(turn: Float64Array, teeth: number): number {
  const difference = differenceSignal(turn, teeth);
  const variance = centralMoment(difference, 2);
  return variance > 0 ? centralMoment(difference, 4) / variance ** 2 : 0;
}

/**
 * NA4 (Zakrajsek, Townsend and Decker 1993): the fourth moment of the residual signal of a turn over the square of the
 * mean variance of the residuals of earlier averages; unlike FM4 it keeps growing as damage spreads. `history` holds the
 * variances of the averages so far, the present one among them.
 */
export function na4(residual: Float64Array, history: readonly number[]): number {
  const mean = history.reduce((sum, value) => sum + value, 0) / Math.max(1, history.length);
  return mean > 0 ? centralMoment(residual, 4) / mean ** 2 : 0;
}

export const residualVariance = (residual: Float64Array): number => centralMoment(residual, 2);
