/**
 * Cepstrum pre-whitening (Borghesani et al., MSSP 36, 2013): every line of the spectrum gets the same magnitude and
 * keeps its phase. Steady tones (shaft, gears, mains) vanish in the noise, impulses stay. `spectrum` is packed as
 * `RealFft` gives it, and changed in place.
 */
export function prewhiten(spectrum: Float32Array): void {
  spectrum[0] = 0;
  spectrum[1] = 0;
  for (let i = 2; i < spectrum.length; i += 2) {
    const re = spectrum[i]!;
    const im = spectrum[i + 1]!;
    const magnitude = Math.sqrt(re * re + im * im);
    if (magnitude > 0) {
      spectrum[i] = re / magnitude;
      spectrum[i + 1] = im / magnitude;
    }
  }
}
