// Runs every benchmark (or those named on the command line) and prints one JSON document on stdout.
//   npm run bench                 all of them
//   npm run bench -- daemon mqtt  two of them
import { readdirSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = import.meta.dirname;
const known = readdirSync(folder)
  .filter((file) => file.endsWith('.js') && file !== 'run.js')
  .map((file) => basename(file, '.js'))
  .sort();
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no benchmark named ${unknown.join(', ')}; there are: ${known.join(', ')}\n`);
  process.exit(2);
}

const results = {};
for (const name of wanted.length > 0 ? wanted : known) {
  process.stderr.write(`bench ${name} …\n`);
  const { bench } = await import(pathToFileURL(`${folder}/${name}.js`).href);
  results[name] = await bench();
}
const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  kernel: release(),
};
process.stdout.write(`${JSON.stringify({ machine, results }, null, 2)}\n`);
process.exit(0);
