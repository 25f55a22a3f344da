/** Slower than a sample every quarter of an hour is no waveform; blocks of such a rate would begin before all time. */
export const LEAST_SAMPLE_RATE_HZ = 1e-3;
export const MAX_SAMPLE_RATE_HZ = 10e6;

/** Whether what a device or a sender states can be a sample rate. @param rateHz any number, NaN too */
export const isSampleRate = (rateHz: number): boolean =>
  rateHz >= LEAST_SAMPLE_RATE_HZ && rateHz <= MAX_SAMPLE_RATE_HZ;
