/** The package carries no types of its own; fft.ts names what it uses of it. */
declare module '@echogarden/pffft-wasm' {
  export default function createPffft(): Promise<import('./fft.js').FftLibrary>;
}

declare module '@echogarden/pffft-wasm/simd' {
  type Instance = { readonly exports: Readonly<Record<string, unknown>> };
  export default function createPffft(options?: {
    /** Takes the place of the library's own loading. */
    instantiateWasm(imports: object, receive: (instance: Instance) => void): object;
  }): Promise<import('./fft.js').FftLibrary>;
}
