// docs/configuration.md: every key of the config, from the schemas.
import { stringify } from 'yaml';
import { SAMPLE } from '../dist/config/sample.js';
import { SAMPLE_OF_THE_REST } from '../dist/config/sample-of-the-rest.js';
import { branchesOf, configSchemaNode, rangeOf } from '../dist/config/schema-nodes.js';
import { fits } from './config-sample.js';

const HEAD = `# Configuration

One YAML file. Made by \`npm run generate\` from the schemas in the code; config/gateway.yaml is a commented sample.
\`sm-edge check --config FILE\` finds every fault, with line, key and hint.

- Durations and sizes carry a unit: \`500ms\`, \`10s\`, \`5min\`, \`1h\`, \`30d\`; \`64KiB\`, \`8GiB\`. Other units stand last
  in the name of a key: \`speedRpm\`, \`sampleRateHz\`.
- \`\${NAME}\` stands for an environment variable, \`!file PATH\` for the content of a file (relative to the config):
  the place for passwords and tokens. Messages never show what they stand for.
- An unknown key is a fault, and the message names the nearest known one.
- A key in **bold** is required. Where no example stands, the default is one.
`;

const MAX_HEADING = 5;

/** Each block of the samples, at any depth. */
const EVERY_BLOCK = [SAMPLE, SAMPLE_OF_THE_REST].flatMap(function below(value) {
  if (typeof value !== 'object' || value === null) return [];
  return [...(Array.isArray(value) ? [] : [value]), ...Object.values(value).flatMap(below)];
});

export function referenceMarkdown() {
  const printed = new Map();
  const sections = Object.entries(configSchemaNode().properties).flatMap(([key, node]) =>
    section(key, node, 2, samplesBelow([SAMPLE, SAMPLE_OF_THE_REST], key), printed),
  );
  return [HEAD, ...sections].join('\n');
}

/** The sections of a key: one for each form that is a block (a union has several). */
function section(path, node, level, samples, printed) {
  const blocks = blocksOf(node);
  return blocks.flatMap(({ block, suffix }) => {
    const kind = blocks.length > 1 ? kindOf(block) : '';
    const name = `${path}${suffix}`;
    const title = `\`${name}\`${kind === '' ? '' : `, ${kind}`}`;
    const heading = `${'#'.repeat(Math.min(level, MAX_HEADING))} ${title}`;
    const fingerprint = JSON.stringify(block);
    const earlier = printed.get(fingerprint);
    if (earlier !== undefined) return [heading, '', `The same keys as ${earlier}.`, ''];
    printed.set(fingerprint, title);
    const own = ownSamples(block, samples);
    const description = block.description ?? node.description;
    const properties = Object.entries(block.properties);
    return [
      heading,
      '',
      ...(description === undefined ? [] : [`${description.replace(/\.$/, '')}.`, '']),
      '| key | form | default | example | meaning |',
      '| --- | --- | --- | --- | --- |',
      ...properties.map(([key, property]) => row(key, property, block, own)),
      '',
      ...properties.flatMap(([key, property]) => {
        const below = kind === '' ? `${name}.${key}` : `${name}(${shortKindOf(block)}).${key}`;
        return section(below, property, level + 1, samplesBelow(own, key), printed);
      }),
    ];
  });
}

/** The blocks that may stand at a node: itself, the entries of a list, the values of a map; of a union all of them. */
function blocksOf(node) {
  return branchesOf(node).flatMap((branch) => {
    if (branch.properties !== undefined) return [{ block: branch, suffix: '' }];
    if (branch.items !== undefined)
      return blocksOf(branch.items).map(({ block }) => ({ block, suffix: '[]' }));
    if (typeof branch.additionalProperties === 'object')
      return blocksOf(branch.additionalProperties).map(({ block }) => ({ block, suffix: '.NAME' }));
    return [];
  });
}

const constantsOf = (block) =>
  Object.entries(block.properties).filter(
    ([key, { const: value }]) => value !== undefined && block.required?.includes(key),
  );

/** What tells a form of a union from the others. */
function kindOf(block) {
  const constants = constantsOf(block).map(([key, { const: value }]) => `\`${key}: ${value}\``);
  return constants.length > 0
    ? constants.join(', ')
    : `with \`${block.required?.[0] ?? Object.keys(block.properties)[0]}\``;
}

const shortKindOf = (block) =>
  constantsOf(block)
    .map(([, { const: value }]) => value)
    .join(', ') ||
  (block.required?.[0] ?? '');

/** The values in the samples that are written in this form; of a form with a kind of its own, wherever it stands. */
function ownSamples(block, samples) {
  const constants = constantsOf(block);
  const isOwn = (value) => fits(block, value) && constants.every(([key, p]) => value[key] === p.const);
  const near = samples.filter(isOwn);
  return near.length > 0 || constants.length === 0 ? near : EVERY_BLOCK.filter(isOwn);
}

function row(key, property, block, samples) {
  const required = block.required?.includes(key) && property.default === undefined;
  const name = required ? `**\`${key}\`**` : `\`${key}\``;
  return `| ${[name, formOf(property), defaultOf(property), exampleOf(property, valuesOf(samples, key)), property.description ?? ''].map(cell).join(' | ')} |`;
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

const code = (value) => `\`${stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}\``;

const isBlock = (value) =>
  Array.isArray(value) ? value.some(isBlock) : typeof value === 'object' && value !== null;

const defaultOf = ({ default: value }) =>
  value === undefined || isBlock(value) || (Array.isArray(value) && value.length === 0) ? '' : code(value);

function exampleOf(property, values) {
  const shown = values.find((value) => !isBlock(value)) ?? property.const;
  if (shown !== undefined) return code(shown);
  if (property.default !== undefined) return '';
  const possible = branchesOf(property).flatMap((branch) => branch.examples ?? branch.enum ?? []);
  return possible.length === 0 ? '' : code(possible[0]);
}

function formOf(node) {
  const forms = branchesOf(node).map((branch) => {
    const range = rangeOf(branch);
    const within = range === '' ? '' : ` (${range})`;
    if (branch.const !== undefined) return `\`${branch.const}\``;
    if (branch.enum !== undefined) return branch.enum.map((value) => `\`${value}\``).join(', ');
    if (branch.format === 'duration' || branch.format === 'size') return `${branch.format}${within}`;
    if (branch.format === 'listen-address') return 'host:port';
    if (branch.prefixItems !== undefined)
      return `list of ${branch.prefixItems.length} ${branch.prefixItems[0].type}s`;
    if (branch.type === 'array') return `list of ${formOf(branch.items ?? {})}`;
    if (branch.type === 'object') return branch.properties === undefined ? 'map' : 'block';
    return branch.type === undefined ? 'value' : `${branch.type}${within}`;
  });
  return [...new Set(forms)].join(' or ');
}

const valuesOf = (samples, key) =>
  samples.flatMap((sample) => (isBlock(sample) && Object.hasOwn(sample, key) ? [sample[key]] : []));

/** What stands below a key in the samples: blocks, the entries of lists, the values of maps. */
const samplesBelow = (samples, key) =>
  valuesOf(samples, key).flatMap((value) =>
    Array.isArray(value) ? value : isBlock(value) ? [value, ...Object.values(value)] : [],
  );
