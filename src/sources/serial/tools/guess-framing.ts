import { CRC_NAMES, crcBytes } from '../../../base/crc.js';
import { createDeframer, type FramingConfig, framingSchema } from '../framing/index.js';

/** A way to cut the bytes into frames, and how well it does. */
export interface FramingGuess {
  /** As the config writes it. */
  readonly yaml: Readonly<Record<string, unknown>>;
  readonly framing: FramingConfig;
  readonly frames: readonly Buffer[];
  /** Bytes that a frame takes on the line, on average. */
  readonly frameBytes: number;
  /** Share of the bytes that belong to frames, 0 to 1. */
  readonly coverage: number;
  /** 0 to 1: coverage, weighted by how unlikely it is to be chance. A check value that is right every time is proof. */
  readonly confidence: number;
}

/** Fewer frames prove nothing. */
const FEWEST_FRAMES = 3;
const MOST_SYNC_WORDS = 8;
const LENGTH_TYPES = ['uint8', 'uint16le', 'uint16be'] as const;
/** Nothing else need be tried. */
const CERTAIN = 0.95;
/** Enough to tell by; each framing is tried on all of it. */
const MOST_BYTES = 96 * 1024;
const WITH_CHECK = 1;
const WITHOUT_CHECK = 0.7;

/** How these bytes may be framed, the likeliest first. Tries each framing that the gateway knows. */
export function guessFraming(all: Buffer): FramingGuess[] {
  const bytes = all.subarray(0, MOST_BYTES);
  const guesses = [...lineGuesses(bytes), ...stuffedGuesses(bytes), ...syncGuesses(bytes)]
    .filter(({ frames, coverage }) => frames.length >= FEWEST_FRAMES && coverage > 0.5)
    .sort((a, b) => b.confidence - a.confidence || b.frames.length - a.frames.length);
  return guesses.slice(0, 5);
}

function attempt(bytes: Buffer, yaml: Record<string, unknown>, weight: number): FramingGuess | undefined {
  const parsed = framingSchema.safeParse(yaml);
  if (!parsed.success) return undefined;
  const deframer = createDeframer(parsed.data);
  const frames = deframer.push(bytes);
  if (frames.length === 0) return undefined;
  const { check, length, encoding } = deframer.faults;
  const refused = check + length + encoding;
  const payload = frames.reduce((sum, frame) => sum + frame.length, 0);
  const covered = Math.max(0, bytes.length - deframer.garbageBytes) / bytes.length;
  const coverage = Math.min(covered, payload === 0 ? 0 : 1);
  const passed = frames.length / (frames.length + refused);
  const framed = bytes.length - deframer.garbageBytes - deframer.pendingBytes;
  return {
    ...{ yaml, framing: parsed.data, frames, coverage },
    ...{ frameBytes: framed / frames.length, confidence: coverage * passed * weight },
  };
}

const found = (guess: FramingGuess | undefined): FramingGuess[] => (guess === undefined ? [] : [guess]);

function lineGuesses(bytes: Buffer): FramingGuess[] {
  let printable = 0;
  for (const byte of bytes)
    if ((byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13) printable++;
  if (printable / Math.max(1, bytes.length) < 0.95) return [];
  const delimiter = bytes.includes(10) ? {} : bytes.includes(13) ? { delimiter: '\r' } : undefined;
  return delimiter === undefined ? [] : found(attempt(bytes, { kind: 'line', ...delimiter }, WITH_CHECK));
}

const checks = CRC_NAMES.flatMap((name) =>
  (['little', 'big'] as const).map((order) => (order === 'little' ? { name } : { name, order })),
);

function stuffedGuesses(bytes: Buffer): FramingGuess[] {
  const guesses: FramingGuess[] = [];
  for (const [kind, mark] of [
    ['cobs', 0x00],
    ['slip', 0xc0],
  ] as const) {
    if (bytes.filter((byte) => byte === mark).length < FEWEST_FRAMES) continue;
    for (const check of checks) guesses.push(...found(attempt(bytes, { kind, check }, WITH_CHECK)));
    guesses.push(...found(attempt(bytes, { kind }, WITHOUT_CHECK * 0.8)));
  }
  return guesses;
}

/** Words of two bytes that stand in the stream again and again, the most frequent first. */
function syncWords(bytes: Buffer): { word: Buffer; places: number[] }[] {
  const places = new Map<number, number[]>();
  for (let at = 0; at + 1 < bytes.length; at++) {
    const word = bytes.readUInt16BE(at);
    // Words of zeros and ones are in every signal at rest.
    if (word === 0 || word === 0xffff) continue;
    const known = places.get(word);
    if (known === undefined) places.set(word, [at]);
    else known.push(at);
  }
  return [...places]
    .filter(([, at]) => at.length >= FEWEST_FRAMES + 1)
    .map(([word, at]) => ({
      word: Buffer.from([word >> 8, word & 0xff]),
      places: at,
      regular: regularity(at),
    }))
    .sort((a, b) => b.regular - a.regular || b.places.length - a.places.length)
    .slice(0, MOST_SYNC_WORDS);
}

/** Share of the distances that are the commonest one: 1 for frames of one length. */
function regularity(places: readonly number[]): number {
  const counts = new Map<number, number>();
  for (let i = 1; i < places.length; i++) {
    const distance = places[i]! - places[i - 1]!;
    counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  return Math.max(...counts.values()) / (places.length - 1);
}

function syncGuesses(bytes: Buffer): FramingGuess[] {
  const guesses: FramingGuess[] = [];
  for (const { word, places } of syncWords(bytes)) {
    const sync = word.toString('hex').toUpperCase();
    for (const type of LENGTH_TYPES) {
      const lengthBytes = type === 'uint8' ? 1 : 2;
      for (const offset of [0, 1, 2]) {
        const extra = commonExtra(bytes, places, 2 + offset, type);
        if (extra === undefined) continue;
        const length = (adjust: number) => ({
          type,
          ...(offset === 0 ? {} : { offset }),
          ...(adjust === 0 ? {} : { adjust }),
        });
        const rest = extra - lengthBytes;
        for (const check of checks) {
          for (const from of ['after-sync', 'frame', 'payload'] as const) {
            const whole = from === 'after-sync' ? check : { ...check, from };
            const yaml = { kind: 'sync', sync, length: length(rest - crcBytes(check.name)), check: whole };
            const guess = attempt(bytes, yaml, WITH_CHECK);
            if (guess !== undefined && guess.confidence > 0.5) guesses.push(guess);
            if (guess !== undefined && guess.confidence > CERTAIN) return guesses;
          }
        }
        guesses.push(...found(attempt(bytes, { kind: 'sync', sync, length: length(rest) }, WITHOUT_CHECK)));
      }
    }
    const distance = places[1]! - places[0]!;
    for (const check of checks)
      guesses.push(
        ...found(
          attempt(
            bytes,
            { kind: 'sync', sync, bytes: distance - 2 - crcBytes(check.name), check },
            WITH_CHECK,
          ),
        ),
      );
    guesses.push(...found(attempt(bytes, { kind: 'sync', sync, bytes: distance - 2 }, WITHOUT_CHECK * 0.9)));
  }
  return guesses;
}

/**
 * Bytes of a frame that the length at `lengthAt` (from the sync word) does not count, where that is the same for most
 * frames; the field itself is counted among them.
 */
function commonExtra(
  bytes: Buffer,
  places: readonly number[],
  lengthAt: number,
  type: (typeof LENGTH_TYPES)[number],
): number | undefined {
  const counts = new Map<number, number>();
  for (let i = 0; i + 1 < places.length; i++) {
    const at = places[i]! + lengthAt;
    if (at + 2 > bytes.length) break;
    const value =
      type === 'uint8' ? bytes[at]! : type === 'uint16le' ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
    const extra = places[i + 1]! - at - value;
    if (extra >= 1 && extra <= 16) counts.set(extra, (counts.get(extra) ?? 0) + 1);
  }
  const [best] = [...counts].sort(([, a], [, b]) => b - a);
  return best !== undefined && best[1] >= 0.5 * (places.length - 1) ? best[0] : undefined;
}
