import { z } from 'zod';
import { gatewayConfigSchema } from './schema.js';

/** A node of the config's JSON Schema, as far as messages and the reference need it. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  /** `duration`, `size` or `listen-address`: what base/schema.ts parses. */
  readonly format?: string;
  /** Allowed values of a duration or size, as a person writes them: `1s to 10min`. */
  readonly range?: string;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly prefixItems?: readonly SchemaNode[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

/** The schema of what a person writes (before defaults and parsing). */
export const configSchemaNode = (): SchemaNode =>
  z.toJSONSchema(gatewayConfigSchema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
  }) as SchemaNode;

/** The forms that a node allows: itself, or the branches of its union. */
export function branchesOf(node: SchemaNode): readonly SchemaNode[] {
  const branches = node.anyOf ?? node.oneOf;
  return branches === undefined ? [node] : branches.flatMap(branchesOf);
}

/** Of a node's forms those whose constants (`type: modbus`) a value has; all of them where it has none. */
export function branchesFor(node: SchemaNode, value: unknown): readonly SchemaNode[] {
  const branches = branchesOf(node);
  const fitting = branches.filter((branch) =>
    Object.entries(branch.properties ?? {}).every(
      ([key, property]) =>
        property.const === undefined || property.const === (value as Record<string, unknown> | null)?.[key],
    ),
  );
  return fitting.length > 0 ? fitting : branches;
}

/** The nodes that a path of a config may mean. */
export function nodesAt(
  root: SchemaNode,
  value: unknown,
  path: readonly (string | number)[],
): readonly SchemaNode[] {
  let nodes = branchesFor(root, value);
  let current = value;
  let reached: readonly SchemaNode[] = [root];
  for (const step of path) {
    reached = nodes.flatMap((node) => childOf(node, step));
    current = (current as Record<string | number, unknown> | null | undefined)?.[step];
    nodes = reached.flatMap((node) => branchesFor(node, current));
  }
  return reached;
}

/** Keys that the block at a path may have. */
export function keysAt(
  root: SchemaNode,
  value: unknown,
  path: readonly (string | number)[],
): readonly string[] {
  const block = valueAt(value, path);
  const blocks = nodesAt(root, value, path).flatMap((node) => branchesFor(node, block));
  return [...new Set(blocks.flatMap((node) => Object.keys(node.properties ?? {})))];
}

function childOf(node: SchemaNode, step: string | number): readonly SchemaNode[] {
  const values = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
  const child =
    typeof step === 'number'
      ? (node.prefixItems?.[step] ?? node.items)
      : ((Object.hasOwn(node.properties ?? {}, step) ? node.properties?.[step] : undefined) ?? values);
  return child === undefined ? [] : [child];
}

export const valueAt = (value: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((found, step) => {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    return (found as Record<string | number, unknown>)[step];
  }, value);

/** `1 to 65535`, `above 0`, `1s to 10min`; empty where everything is allowed. */
export function rangeOf(node: SchemaNode): string {
  if (node.range !== undefined) return node.range;
  const bound = (value: number | undefined) =>
    value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;
  const low = bound(node.minimum) ?? bound(node.exclusiveMinimum);
  const high = bound(node.maximum) ?? bound(node.exclusiveMaximum);
  const from = bound(node.minimum) === undefined ? `above ${low}` : `${low}`;
  const to = bound(node.maximum) === undefined ? `below ${high}` : `${high}`;
  if (low !== undefined && high !== undefined) return `${from} to ${to}`;
  if (low !== undefined) return bound(node.minimum) === undefined ? from : `${from} and more`;
  return high === undefined ? '' : `up to ${high}`;
}

/** What is to be written at a node, in words: `a whole number (1 to 65535)`, `a duration with its unit, such as 10s`. */
export function formInWords(node: SchemaNode): string {
  const forms = branchesOf(node).map((branch) => {
    const range = rangeOf(branch);
    const within = range === '' ? '' : ` (${range})`;
    if (branch.const !== undefined) return String(branch.const);
    if (branch.enum !== undefined) return `one of: ${branch.enum.join(', ')}`;
    if (branch.format === 'duration') return `a duration with its unit${within}, such as 500ms, 10s, 5min`;
    if (branch.format === 'size') return `a size with its unit${within}, such as 512MiB, 8GiB`;
    if (branch.format === 'listen-address') return 'host:port, such as 127.0.0.1:8080';
    switch (branch.type) {
      case 'number':
        return `a plain number${within}, without a unit and without quotes`;
      case 'integer':
        return `a whole number${within}, without quotes`;
      case 'boolean':
        return 'true or false';
      case 'array':
        return branch.prefixItems === undefined
          ? 'a list, each entry on a line that starts with "- "'
          : `a list of ${branch.prefixItems.length}, such as [low, high]`;
      case 'object':
        return branch.properties === undefined
          ? 'a block of names and values'
          : `a block with keys such as ${mainKeys(branch).join(', ')}`;
      default:
        return 'text';
    }
  });
  return [...new Set(forms)].join(', or ');
}

const mainKeys = ({ properties = {}, required = [] }: SchemaNode): readonly string[] =>
  required.length > 0 ? required : Object.keys(properties).slice(0, 4);
