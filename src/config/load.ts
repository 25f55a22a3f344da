import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type ConfigDocument, type KeyPath, readDocument } from './document.js';
import { ConfigError, type ConfigFault, faultAt, faultsOfIssues } from './faults.js';
import { type GatewayConfig, gatewayConfigSchema } from './schema.js';

/** A config that was read, checked and frozen, with what is needed to speak about its lines. */
export interface LoadedConfig {
  readonly config: GatewayConfig;
  readonly document: ConfigDocument;
  /** SHA-256 over the parsed values, secrets included: tells whether anything changed. */
  readonly hash: string;
}

const FILE_LIMIT_BYTES = 4 << 20;

/**
 * Reads and checks a config file.
 * @throws ConfigError with every fault: file, line, column, key, message, hint.
 */
export function loadConfig(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): LoadedConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([
      {
        file,
        line: 1,
        column: 1,
        key: '',
        message: `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        hint: 'name the config with --config FILE; config/gateway.yaml is a commented sample to start from',
      },
    ]);
  }
  return parseConfig(file, text, environment);
}

/** As `loadConfig`, for a text that is already at hand. */
export function parseConfig(
  file: string,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): LoadedConfig {
  const faults: ConfigFault[] = [];
  if (text.length > FILE_LIMIT_BYTES) {
    throw new ConfigError([
      { file, line: 1, column: 1, key: '', message: 'is larger than 4 MiB', hint: 'is this the right file?' },
    ]);
  }
  const document = readDocument(file, text, environment, faults);
  if (document.value === undefined && faults.length > 0) throw new ConfigError(faults);

  const result = gatewayConfigSchema.safeParse(document.value ?? {});
  if (!result.success) faults.push(...faultsOfIssues(document, result.error.issues, knownKeysOf(document)));
  else faults.push(...crossFaults(document, result.data));
  if (faults.length > 0 || !result.success) throw new ConfigError(inOrder(faults));

  const hash = createHash('sha256').update(JSON.stringify(result.data)).digest('hex');
  return { config: deepFreeze(result.data), document, hash };
}

const inOrder = (faults: readonly ConfigFault[]) =>
  [...faults].sort((a, b) => a.line - b.line || a.column - b.column);

/** What concerns more than one key: ids that must be unique. */
function crossFaults(document: ConfigDocument, config: GatewayConfig): ConfigFault[] {
  return [
    ...duplicates(document, 'sources', config.sources),
    ...duplicates(document, 'machines', config.machines),
    ...duplicates(document, 'alarms', config.alarms),
  ];
}

function duplicates(
  document: ConfigDocument,
  list: string,
  entries: readonly { readonly id: string }[],
): ConfigFault[] {
  const first = new Map<string, number>();
  return entries.flatMap(({ id }, index) => {
    const earlier = first.get(id);
    if (earlier === undefined) {
      first.set(id, index);
      return [];
    }
    const { line } = document.locate([list, earlier, 'id'], 'value');
    return [
      faultAt(
        document,
        [list, index, 'id'],
        `the id "${id}" is taken by ${list}[${earlier}] in line ${line}`,
        'give each entry of the list an id of its own',
      ),
    ];
  });
}

/** A JSON Schema node, as far as the search for known keys needs it. */
interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode & { readonly const?: unknown }>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly additionalProperties?: SchemaNode | boolean;
}

/** Keys that may stand in the block at a path; of a union the branches whose constants the file's values match. */
function knownKeysOf(document: ConfigDocument): (path: KeyPath) => readonly string[] {
  const root = z.toJSONSchema(gatewayConfigSchema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  return (path) => {
    let nodes: SchemaNode[] = [root as SchemaNode];
    let value: unknown = document.value;
    for (const step of path) {
      nodes = branchesOf(nodes, value).flatMap((node) => childOf(node, step));
      value = (value as Record<string | number, unknown> | undefined)?.[step];
    }
    return [...new Set(branchesOf(nodes, value).flatMap((node) => Object.keys(node.properties ?? {})))];
  };
}

function branchesOf(nodes: readonly SchemaNode[], value: unknown): SchemaNode[] {
  return nodes.flatMap((node) => {
    const branches = node.anyOf ?? node.oneOf;
    if (branches === undefined) return [node];
    const fitting = branches.filter((branch) =>
      Object.entries(branch.properties ?? {}).every(
        ([key, property]) =>
          property.const === undefined || property.const === (value as Record<string, unknown> | null)?.[key],
      ),
    );
    return branchesOf(fitting.length > 0 ? fitting : branches, value);
  });
}

function childOf(node: SchemaNode, step: string | number): SchemaNode[] {
  const child =
    typeof step === 'number'
      ? node.items
      : (node.properties?.[step] ??
        (typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined));
  return child === undefined ? [] : [child];
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
