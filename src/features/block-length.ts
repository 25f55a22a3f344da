/** Shortest time that resolves a shaft order from its neighbour and holds several turns of a cage, seconds. */
const MIN_DURATION_S = 1;
/** A cage turns about 0.4 times a turn of the shaft: 16 turns hold six of its own. */
const MIN_REVOLUTIONS = 16;
const SHORTEST = 1024;
const LONGEST = 131_072;

/**
 * Samples of one analysis block: the smallest power of two that lasts a second and sixteen turns of the shaft,
 * between 1,024 and 131,072.
 */
export function defaultBlockLength(sampleRateHz: number, speedRpm?: number): number {
  const durationS = Math.max(
    MIN_DURATION_S,
    speedRpm === undefined || !(speedRpm > 0) ? 0 : (MIN_REVOLUTIONS * 60) / speedRpm,
  );
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, durationS * sampleRateHz)));
  return Math.min(LONGEST, Math.max(SHORTEST, wanted));
}
