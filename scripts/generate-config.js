// Writes config/gateway.yaml (the commented sample) and docs/configuration.md (the reference) from the schemas.
//   npm run generate            writes both
//   npm run generate -- --check fails where a committed file differs
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Document, isMap, isSeq } from 'yaml';
import { z } from 'zod';
import { SAMPLE } from '../dist/config/sample.js';
import { gatewayConfigSchema } from '../dist/config/schema.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const schema = z.toJSONSchema(gatewayConfigSchema, { io: 'input', unrepresentable: 'any', reused: 'inline' });

/** Branches of a union, or the node itself. */
const branches = (node) =>
  (node.anyOf ?? node.oneOf ?? [node]).flatMap((b) => ((b.anyOf ?? b.oneOf) ? branches(b) : [b]));

/** The branch that a value of the sample belongs to. */
function branchFor(node, value) {
  const all = branches(node);
  const fits = (branch) =>
    Array.isArray(value)
      ? branch.type === 'array'
      : typeof value === 'object' && value !== null
        ? branch.properties !== undefined &&
          Object.entries(branch.properties).every(
            ([key, p]) => p.const === undefined || p.const === value[key],
          ) &&
          Object.keys(value).every((key) => key in branch.properties)
        : branch.properties === undefined;
  return all.find(fits) ?? all[0];
}

export function sampleYaml() {
  const document = new Document(SAMPLE);
  const said = new Set();
  comment(document.contents, schema, SAMPLE, said);
  document.commentBefore =
    ' A gateway that reads one Modbus line, one serial instrument and the MQTT of the plant.\n' +
    ' Made by "npm run generate" from the schemas; docs/configuration.md has every key. Check a config with\n' +
    '   sm-edge check --config FILE';
  return document.toString({ lineWidth: 120, flowCollectionPadding: true });
}

function comment(node, rawSchema, value, said) {
  const branch = branchFor(rawSchema, value);
  if (isMap(node)) {
    for (const pair of node.items) {
      const key = String(pair.key.value);
      const child =
        branch.properties?.[key] ??
        (typeof branch.additionalProperties === 'object' ? branch.additionalProperties : undefined);
      if (child === undefined) continue;
      const description = child.description ?? branchFor(child, value[key]).description;
      if (description !== undefined && !said.has(description)) {
        said.add(description);
        pair.key.commentBefore = wrap(description, 100)
          .map((line) => ` ${line}`)
          .join('\n');
      }
      comment(pair.value, child, value[key], said);
    }
  }
  if (isSeq(node))
    for (const [index, item] of node.items.entries()) comment(item, branch.items ?? {}, value[index], said);
}

function wrap(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

export function referenceMarkdown() {
  const sections = [];
  for (const [key, node] of Object.entries(schema.properties)) sections.push(...section(key, node, 2));
  return [
    '# Configuration',
    '',
    'One YAML file. Made by `npm run generate` from the schemas in the code; config/gateway.yaml is a sample.',
    '`sm-edge check --config FILE` finds every fault, with line and hint.',
    '',
    '- Durations and sizes carry a unit: `500ms`, `10s`, `5min`, `1h`, `30d`; `64KiB`, `8GiB`.',
    '- `${NAME}` stands for an environment variable, `!file PATH` for the content of a file (relative to the config):',
    '  the place for passwords and tokens.',
    '- An unknown key is a fault, and the message names the nearest known one.',
    '',
    ...sections,
  ].join('\n');
}

function section(path, node, level) {
  const lines = [];
  for (const branch of branches(node)) {
    const object = branch.type === 'array' ? branch.items : branch;
    for (const item of object === undefined ? [] : branches(object)) {
      if (item.properties === undefined) continue;
      const constants = Object.entries(item.properties).filter(([, p]) => p.const !== undefined);
      const kind = constants.map(([key, p]) => `${key}: ${p.const}`).join(', ');
      const title = `${path}${branch.type === 'array' ? '[]' : ''}${kind === '' ? '' : ` (${kind})`}`;
      lines.push(`${'#'.repeat(Math.min(level, 5))} \`${title}\``, '');
      const description = item.description ?? branch.description ?? node.description;
      if (description !== undefined) lines.push(`${description}.`.replace(/\.\.$/, '.'), '');
      lines.push('| key | form | default | meaning |', '| --- | --- | --- | --- |');
      const nested = [];
      for (const [key, property] of Object.entries(item.properties)) {
        const required = item.required?.includes(key) && property.default === undefined;
        lines.push(
          `| \`${key}\` | ${cell(formOf(property))} | ${required ? '**required**' : cell(defaultOf(property))} | ${cell(property.description ?? '')} |`,
        );
        if (branches(property).some((b) => b.properties ?? branches(b.items ?? {}).some((i) => i.properties)))
          nested.push(
            ...section(`${path}${branch.type === 'array' ? '[]' : ''}.${key}`, property, level + 1),
          );
        const values = property.additionalProperties;
        if (typeof values === 'object') nested.push(...section(`${path}.${key}.NAME`, values, level + 1));
      }
      lines.push('', ...nested);
    }
  }
  return [...new Set(lines.join('\n').split('\n\n'))].join('\n\n').split('\n');
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

const defaultOf = ({ default: value }) =>
  value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)
    ? ''
    : `\`${JSON.stringify(value)}\``;

function formOf(node) {
  const forms = branches(node).map((branch) => {
    if (branch.const !== undefined) return `\`${branch.const}\``;
    if (branch.enum !== undefined) return branch.enum.map((value) => `\`${value}\``).join(', ');
    if (branch.format === 'duration' || branch.format === 'size') return branch.format;
    if (branch.format === 'listen-address') return 'host:port';
    if (branch.type === 'number' || branch.type === 'integer') return `${branch.type}${rangeOf(branch)}`;
    if (branch.type === 'array') return `list of ${formOf(branch.items ?? {})}`;
    if (branch.type === 'object') return branch.properties === undefined ? 'map' : 'block';
    return branch.type ?? 'value';
  });
  return [...new Set(forms)].join(' or ');
}

function rangeOf({ minimum, maximum, exclusiveMinimum }) {
  const low = minimum ?? exclusiveMinimum;
  const bounded = (value) => value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  if (!bounded(low) && !bounded(maximum)) return '';
  const from = bounded(low) ? `${exclusiveMinimum !== undefined ? 'above ' : ''}${low}` : '';
  return ` (${from}${bounded(maximum) ? ` to ${maximum}` : from === '' ? '' : ' and more'})`;
}

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
