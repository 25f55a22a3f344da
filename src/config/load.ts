import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConfigDocument, readDocument } from './document.js';
import { ConfigError, type ConfigFault, faultAt } from './faults.js';
import { faultsOfIssues } from './issues.js';
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

  if (document.value === null || document.value === undefined) {
    const hint = 'config/gateway.yaml is a commented sample to start from';
    throw new ConfigError([...faults, { file, line: 1, column: 1, key: '', message: 'is empty', hint }]);
  }
  const result = gatewayConfigSchema.safeParse(document.value);
  if (!result.success) faults.push(...faultsOfIssues(document, result.error.issues));
  faults.push(...duplicateIds(document));
  if (faults.length > 0 || !result.success) throw new ConfigError(inOrder(faults));

  const hash = createHash('sha256').update(JSON.stringify(result.data)).digest('hex');
  return { config: deepFreeze(result.data), document, hash };
}

const inOrder = (faults: readonly ConfigFault[]) =>
  [...faults].sort((a, b) => a.line - b.line || a.column - b.column);

/** Ids that are there twice; found in the raw values, so that they are told together with all other faults. */
function duplicateIds(document: ConfigDocument): ConfigFault[] {
  return ['sources', 'machines', 'alarms'].flatMap((list) => {
    const entries: unknown = (document.value as Record<string, unknown> | null | undefined)?.[list];
    const first = new Map<string, number>();
    return (Array.isArray(entries) ? entries : []).flatMap((entry: { id?: unknown } | null, index) => {
      const id = entry?.id;
      if (typeof id !== 'string') return [];
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
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
