/**
 * The factors of scripts/kernels/fft.as, computed in float64 and rounded once: the layout is told there.
 * A transform of real samples needs those of half its length, and its own to take the results apart.
 */

/** Fewest points that the kernel transforms. */
export const KERNEL_MINIMUM = { real: 32, complex: 16 } as const;

/** Whether the kernel transforms this length: powers of two. */
export function isKernelLength(length: number, kind: 'real' | 'complex'): boolean {
  return Number.isInteger(Math.log2(length)) && length >= KERNEL_MINIMUM[kind];
}

/** Floats of the tables of a transform of `points` complex numbers. */
function passFloats(points: number): number {
  let floats = 6 * (points / 4);
  for (let rest = points / 4; rest > 8; rest /= 4) floats += 6 * (rest / 4);
  return floats;
}

export function fftTables(length: number, kind: 'real' | 'complex'): Float32Array {
  const points = kind === 'real' ? length / 2 : length;
  const table = new Float32Array(passFloats(points) + (kind === 'real' ? 2 * (points / 2) : 0));
  const quarter = points / 4;
  let at = 0;
  for (let from = 0; from < quarter; from += 4)
    for (let power = 1; power <= 3; power++) {
      for (let i = 0; i < 4; i++, at++) {
        const angle = (2 * Math.PI * power * (from + i)) / points;
        table[at] = Math.cos(angle);
        table[at + 4] = -Math.sin(angle);
      }
      at += 4;
    }
  for (let rest = quarter; rest > 8; rest /= 4)
    for (let group = 0; group < rest / 4; group++)
      for (let power = 1; power <= 3; power++) {
        const angle = (2 * Math.PI * power * group) / rest;
        table[at++] = Math.cos(angle);
        table[at++] = -Math.sin(angle);
      }
  if (kind === 'complex') return table;
  for (let from = 0; from < points / 2; from += 4) {
    for (let i = 0; i < 4; i++, at++) {
      // -i/2 e^(-ia) = -(sin a + i cos a) / 2.
      const angle = (2 * Math.PI * (from + i)) / length;
      table[at] = -Math.sin(angle) / 2;
      table[at + 4] = -Math.cos(angle) / 2;
    }
    at += 4;
  }
  return table;
}
