/**
 * A mode of the machine's structure: a damped oscillator that every hit sets ringing. Two-pole digital resonator
 * (impulse invariance), scaled so that a unit impulse rings with a first amplitude of about 1.
 */
export class Resonator {
  readonly #a1: number;
  readonly #a2: number;
  readonly #gain: number;
  #y1 = 0;
  #y2 = 0;

  /** `dampingRatio` is the share of critical damping: 0.02 to 0.06 for bearing housings. */
  constructor(frequencyHz: number, dampingRatio: number, sampleRateHz: number) {
    const omega = (2 * Math.PI * frequencyHz) / sampleRateHz;
    const radius = Math.exp(-dampingRatio * omega);
    const damped = omega * Math.sqrt(1 - dampingRatio ** 2);
    this.#a1 = 2 * radius * Math.cos(damped);
    this.#a2 = -(radius ** 2);
    this.#gain = Math.sin(damped);
  }

  /** Adds `weight` times the response to `force` to `out`. */
  addResponse(force: Float32Array, out: Float32Array, weight: number): void {
    const a1 = this.#a1;
    const a2 = this.#a2;
    const gain = this.#gain;
    let y1 = this.#y1;
    let y2 = this.#y2;
    for (let i = 0; i < force.length; i++) {
      const y = a1 * y1 + a2 * y2 + gain * force[i]!;
      out[i]! += weight * y;
      y2 = y1;
      y1 = y;
    }
    this.#y1 = y1;
    this.#y2 = y2;
  }
}
