/** Window functions in their periodic form (as `scipy.signal.get_window(name, length, fftbins=True)`), for spectra. */

export type WindowName = 'rectangular' | 'hann' | 'hamming' | 'blackman-harris' | 'flat-top';

/** Cosine-sum coefficients. Blackman-Harris: Harris 1978, four terms; flat-top: as scipy and MATLAB (D'Antona 2006). */
const COSINE_SUMS: Readonly<Record<WindowName, readonly number[]>> = {
  rectangular: [1],
  hann: [0.5, 0.5],
  hamming: [0.54, 0.46],
  'blackman-harris': [0.35875, 0.48829, 0.14128, 0.01168],
  'flat-top': [0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368],
};

export interface Window {
  readonly name: WindowName;
  readonly values: Float32Array;
  /** Mean of the window: divide an amplitude spectrum by it (amplitude correction). */
  readonly coherentGain: number;
  /** Mean of the squared window: divide a power by it (energy correction). */
  readonly powerGain: number;
  /** Equivalent noise bandwidth in bins: powerGain / coherentGain². */
  readonly noiseBandwidthBins: number;
  /** Half width of the main lobe in bins: outside it a tone leaks little. */
  readonly mainLobeBins: number;
}

/**
 * What a tone that lies `offsetBins` beside a bin reads in that bin, over what it reads on it (scalloping): from the
 * transform of the cosine sum, for windows much longer than a bin.
 */
export function scalloping(name: WindowName, offsetBins: number): number {
  const terms = COSINE_SUMS[name];
  const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  let sum = terms[0]! * sinc(offsetBins);
  // Counted from the middle of the window every term is a positive cosine.
  for (let k = 1; k < terms.length; k++)
    sum += 0.5 * terms[k]! * (sinc(offsetBins - k) + sinc(offsetBins + k));
  return sum / terms[0]!;
}

/** Windows of the newest lengths: channels share them, and nobody writes to one. */
const KEPT = 32;
const windows = new Map<string, Window>();

export function createWindow(name: WindowName, length: number): Window {
  const key = `${name} ${length}`;
  const window = windows.get(key) ?? newWindow(name, length);
  windows.delete(key);
  windows.set(key, window);
  if (windows.size > KEPT) windows.delete(windows.keys().next().value!);
  return window;
}

function newWindow(name: WindowName, length: number): Window {
  const terms = COSINE_SUMS[name];
  const values = new Float32Array(length);
  let sum = 0;
  let sumOfSquares = 0;
  for (let i = 0; i < length; i++) {
    let value = 0;
    for (let k = 0; k < terms.length; k++)
      value += (k % 2 === 0 ? 1 : -1) * terms[k]! * Math.cos((2 * Math.PI * k * i) / length);
    values[i] = value;
    sum += values[i]!;
    sumOfSquares += values[i]! * values[i]!;
  }
  const coherentGain = sum / length;
  const powerGain = sumOfSquares / length;
  return {
    name,
    values,
    coherentGain,
    powerGain,
    noiseBandwidthBins: powerGain / coherentGain ** 2,
    mainLobeBins: terms.length,
  };
}
