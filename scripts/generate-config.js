// Writes config/gateway.yaml (the commented sample) and docs/configuration.md (the reference) from the schemas.
//   npm run generate            writes both
//   npm run generate -- --check fails where a committed file differs
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referenceMarkdown } from './config-reference.js';
import { sampleYaml } from './config-sample.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const files = {
  'config/gateway.yaml': sampleYaml(),
  'docs/configuration.md': `${referenceMarkdown().trimEnd()}\n`,
};
const check = process.argv.includes('--check');
for (const [file, text] of Object.entries(files)) {
  const path = resolve(ROOT, file);
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    process.stderr.write(`${file} is not what the schemas say; run "npm run generate"\n`);
    process.exitCode = 1;
  }
}
