/** The package carries no types of its own; fft.ts names what it uses of it. */
declare module '@echogarden/pffft-wasm' {
  export default function createPffft(): Promise<import('./fft.js').FftLibrary>;
}

declare module '@echogarden/pffft-wasm/simd' {
  export default function createPffft(): Promise<import('./fft.js').FftLibrary>;
}
