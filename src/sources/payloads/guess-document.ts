/** Finds the numbers, the time and the waveforms in a JSON or CBOR document of which nothing is known. */

export interface FoundNumber {
  readonly path: string;
  readonly name: string;
  readonly value: number;
}

export interface FoundDocument {
  readonly numbers: readonly FoundNumber[];
  readonly arrays: readonly { readonly path: string; readonly name: string; readonly length: number }[];
  readonly time: { readonly path: string; readonly unit: 's' | 'ms' | 'us' | 'ns' | 'iso' } | undefined;
  readonly rate: FoundNumber | undefined;
}

const MAX_LEAVES = 64;
const MAX_DEPTH = 6;
const WAVEFORM_LENGTH = 16;
const TIME_NAME = /^(t|ts|time|timestamp|datetime|date|at|_time|epoch)$/i;
const RATE_NAME = /^(fs|rate|sample_?rate(_?hz)?|sampling_?rate|frequency_?hz)$/i;
/** 2001 to 2100, seconds. */
const FIRST_S = 978_307_200;
const LAST_S = 4_102_444_800;

function timeUnitOf(value: unknown): 's' | 'ms' | 'us' | 'ns' | 'iso' | undefined {
  if (value instanceof Date) return 's';
  if (typeof value === 'string') return /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(value) ? 'iso' : undefined;
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const number = Number(value);
  const units = [
    ['s', 1],
    ['ms', 1e3],
    ['us', 1e6],
    ['ns', 1e9],
  ] as const;
  return units.find(([, scale]) => number >= FIRST_S * scale && number <= LAST_S * scale)?.[0];
}

const childPath = (path: string, key: string): string =>
  /^[A-Za-z_][\w-]*$/.test(key)
    ? `${path}.${key}`
    : key.includes("'")
      ? `${path}["${key}"]`
      : `${path}['${key}']`;

export function findInDocument(document: unknown): FoundDocument {
  const numbers: FoundNumber[] = [];
  const arrays: FoundDocument['arrays'][number][] = [];
  let time: FoundDocument['time'];
  let rate: FoundNumber | undefined;

  const walk = (value: unknown, path: string, name: string, depth: number): void => {
    if (numbers.length + arrays.length >= MAX_LEAVES || depth > MAX_DEPTH) return;
    const unit = TIME_NAME.test(name) || value instanceof Date ? timeUnitOf(value) : undefined;
    if (unit !== undefined) {
      time ??= { path, unit };
    } else if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
      const found = { path, name, value: Number(value) };
      if (RATE_NAME.test(name)) rate ??= found;
      else numbers.push(found);
    } else if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof Uint8Array))) {
      const items = value as unknown as readonly unknown[];
      if (items.length >= WAVEFORM_LENGTH && items.every((item) => typeof item === 'number'))
        arrays.push({ path, name, length: items.length });
      else
        for (let i = 0; i < Math.min(items.length, 8); i++)
          walk(items[i], `${path}[${i}]`, `${name}${i}`, depth + 1);
    } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
      for (const [key, item] of Object.entries(value)) walk(item, childPath(path, key), key, depth + 1);
    }
  };
  walk(document, '$', 'value', 0);
  return { numbers, arrays, time, rate };
}
