/** Durations and sizes as people write them in a config: `500ms`, `10s`, `1h`, `8GiB`. */

const DURATION_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(text);
  const factor = match?.[2] === undefined ? undefined : units[match[2]];
  return match?.[1] === undefined || factor === undefined ? undefined : Number(match[1]) * factor;
}

/** Milliseconds, or undefined where the text is no duration. */
export const parseDurationMs = (text: string): number | undefined => parseQuantity(text, DURATION_MS);

/** Bytes, or undefined where the text is no size. */
export const parseSizeBytes = (text: string): number | undefined => parseQuantity(text, SIZE_BYTES);

function formatQuantity(value: number, units: readonly (readonly [string, number])[]): string {
  const [unit, factor] = units.find(([, size]) => value >= size) ?? units[units.length - 1]!;
  return `${Number((value / factor).toPrecision(3))}${unit}`;
}

export const formatDuration = (ms: number): string =>
  formatQuantity(ms, [
    ['d', DURATION_MS.d!],
    ['h', DURATION_MS.h!],
    ['min', DURATION_MS.min!],
    ['s', DURATION_MS.s!],
    ['ms', DURATION_MS.ms!],
  ]);

export const formatSize = (bytes: number): string =>
  formatQuantity(bytes, [
    ['GiB', SIZE_BYTES.GiB!],
    ['MiB', SIZE_BYTES.MiB!],
    ['KiB', SIZE_BYTES.KiB!],
    ['B', 1],
  ]);
