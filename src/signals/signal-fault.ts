/** Why a stretch of samples says nothing of a machine. */
export type SignalFault = 'no samples' | 'no numbers' | 'a flat line';

/** What is wrong with recorded samples; undefined for a signal. A sensor that is torn off records one value, a recorder's gap is NaN. */
export function signalFault(samples: Float32Array): SignalFault | undefined {
  const first = samples[0];
  if (first === undefined) return 'no samples';
  let isFlat = true;
  for (const value of samples) {
    if (!Number.isFinite(value)) return 'no numbers';
    if (value !== first) isFlat = false;
  }
  return isFlat && samples.length > 1 ? 'a flat line' : undefined;
}

/** Stretches that were left out, by what was wrong with them. */
export type LeftOutSignals = Partial<Record<SignalFault, number>>;

/** `3 windows (a flat line)`; empty where none was left out. */
export const leftOutText = (leftOut: Readonly<Record<string, number>>): string =>
  Object.entries(leftOut)
    .map(([reason, windows]) => `${windows} windows (${reason})`)
    .join(', ');
