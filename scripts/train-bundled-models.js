// Trains the models in models/ again, from nothing but this repository: the same bytes each time.
// usage: npm run build && node scripts/train-bundled-models.js [--check]
//   --check  writes nothing; exits 1 where the files in models/ are not those that training gives
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trainBundledModel } from '../dist/scoring/training/bundled-model.js';

const check = process.argv.includes('--check');
const { model, manifest } = await trainBundledModel();
const dir = join(fileURLToPath(new URL('../models', import.meta.url)), manifest.name, manifest.version);
const files = [
  ['model.onnx', Buffer.from(model)],
  ['manifest.json', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)],
];

let differs = false;
await mkdir(dir, { recursive: true });
for (const [name, bytes] of files) {
  const path = join(dir, name);
  const present = await readFile(path).catch(() => undefined);
  const same = present?.equals(bytes) ?? false;
  console.error(`${same ? 'unchanged' : check ? 'DIFFERS' : 'written'}  ${path} (${bytes.length} bytes)`);
  if (!same && check) differs = true;
  if (!same && !check) await writeFile(path, bytes);
}
process.exitCode = differs ? 1 : 0;
