// config/gateway.yaml: the sample of src/config/sample.ts with the schemas' descriptions as comments.
import { Document, isMap, isPair, isSeq, stringify, visit } from 'yaml';
import { SAMPLE, SAMPLE_ALTERNATIVES } from '../dist/config/sample.js';
import { branchesFor, configSchemaNode } from '../dist/config/schema-nodes.js';

const HEAD = ` A gateway that reads one Modbus line, one serial instrument and the MQTT of the plant.
 Made by "npm run generate" from the schemas; docs/configuration.md has every key. Check a config with
   sm-edge check --config FILE
 Durations and sizes carry a unit (500ms, 10s, 5min, 1h, 30d; 64KiB, 8GiB). For passwords and tokens:
 \${NAME} stands for an environment variable, !file PATH for the content of a file.`;

const COMMENT_WIDTH = 100;

export function sampleYaml() {
  const document = new Document(SAMPLE);
  const said = new Set();
  comment(document.contents, configSchemaNode(), SAMPLE, said);
  for (const { at, value } of SAMPLE_ALTERNATIVES) {
    const key = at[at.length - 1];
    const pair = document.getIn(at.slice(0, -1), true).items.find((item) => item.key.value === key);
    const flow = stringify({ [key]: value }, { collectionStyle: 'flow', lineWidth: 0 })
      .trim()
      .replace(/^\{ (.*) \}$/, '$1');
    pair.key.commentBefore = `${pair.key.commentBefore ?? ''}\n or: ${flow}`.replace(/^\n/, '');
  }
  visit(document, {
    Seq: (_key, node) => {
      if (!node.items.some((item) => isMap(item) || isSeq(item) || isPair(item))) node.flow = true;
    },
  });
  document.commentBefore = HEAD;
  return document.toString({ lineWidth: 120, flowCollectionPadding: false });
}

/** Puts the description of each key above it, once in the file. */
function comment(node, schema, value, said) {
  const branch = branchesFor(schema, value).find((candidate) => fits(candidate, value)) ?? {};
  if (isMap(node)) {
    for (const pair of node.items) {
      const key = String(pair.key.value);
      const values =
        typeof branch.additionalProperties === 'object' ? branch.additionalProperties : undefined;
      const child = branch.properties?.[key] ?? values;
      if (child === undefined) continue;
      const { description } = child;
      if (description !== undefined && !said.has(description)) {
        said.add(description);
        pair.key.commentBefore = wrapped(description);
      }
      comment(pair.value, child, value[key], said);
    }
  }
  if (isSeq(node))
    for (const [index, item] of node.items.entries()) comment(item, branch.items ?? {}, value[index], said);
}

/** May a value stand at a form of the schema? */
export function fits(branch, value) {
  if (Array.isArray(value)) return branch.type === 'array';
  if (typeof value !== 'object' || value === null) return branch.type !== 'array' && branch.type !== 'object';
  if (branch.type !== 'object') return false;
  if (branch.properties === undefined) return true;
  return (
    Object.keys(value).every((key) => key in branch.properties) &&
    (branch.required ?? []).every((key) => key in value)
  );
}

function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + word.length + 1 > COMMENT_WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => ` ${line}`).join('\n');
}
