// Writes src/features/kernels-wasm.ts from the compiled module; called by build.sh.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const compiled = readFileSync(process.argv[2]);
const hash = createHash('sha256');
for (const source of ['kernels.as', 'fft.as', 'reductions.as'])
  hash.update(readFileSync(new URL(source, import.meta.url)));
const sha256 = hash.digest('hex');
const text = compiled.toString('base64').replace(/.{100}/g, (line) => `${line}' +\n  '`);
writeFileSync(
  new URL('../../src/features/kernels-wasm.ts', import.meta.url),
  `/** Made by scripts/kernels/build.sh from scripts/kernels/*.as: do not edit. */

export const KERNELS_SOURCE_SHA256 = '${sha256}';

/** The module, base64. */
export const KERNELS_WASM =
  '${text}';
`,
);
