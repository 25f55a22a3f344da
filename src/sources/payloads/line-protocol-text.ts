import { excerpt, invalidPayload } from './text.js';

/** A field value of the InfluxDB line protocol; text as it stands between the quotes. */
export type FieldValue = number | boolean | string;

export interface ProtocolLine {
  readonly measurement: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly fields: ReadonlyMap<string, FieldValue>;
  /** As written, in the unit that the sender uses. */
  readonly timestamp: number | undefined;
}

const BACKSLASH = 92;
const NEWLINE = 10;
const QUOTE = 34;

const INTEGER = /^[+-]?\d+[iu]$/;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const TRUE = new Set(['t', 'T', 'true', 'True', 'TRUE']);
const FALSE = new Set(['f', 'F', 'false', 'False', 'FALSE']);

/**
 * Parser of the InfluxDB line protocol (InfluxDB v2 reference, "Line protocol"):
 * `measurement[,tag=value…] field=value[,field=value…] [timestamp]`, one point a line, `#` starts a comment.
 * `\,` `\=` and `\ ` are escapes in names; in quoted text only `\"` and `\\` are, and a newline belongs to it.
 *
 * Own code: the packages for JavaScript only write this format.
 */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next line, or undefined at the end. After an error `skipLine` goes on behind the line. */
  next(): ProtocolLine | undefined {
    for (;;) {
      this.#skip(' \t\r\n');
      if (this.#at >= this.#text.length) return undefined;
      if (this.#text[this.#at] !== '#') return this.#line();
      this.skipLine();
    }
  }

  skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }

  #line(): ProtocolLine {
    const measurement = this.#name(', ');
    if (measurement === '') throw invalidPayload('a line without a measurement');
    const tags = new Map<string, string>();
    while (this.#text[this.#at] === ',') {
      this.#at++;
      const [key, value] = [this.#key(), this.#name(', ')];
      if (value === '') throw invalidPayload(`the tag ${excerpt(key)} has no value`);
      tags.set(key, value);
    }
    this.#expectSpace();
    const fields = new Map<string, FieldValue>();
    do {
      const key = this.#key();
      fields.set(key, this.#value(key));
    } while (this.#text[this.#at++] === ',');
    this.#at--;
    return { measurement, tags, fields, timestamp: this.#timestamp() };
  }

  #key(): string {
    const key = this.#name('=, ');
    if (key === '' || this.#text[this.#at] !== '=')
      throw invalidPayload(`${excerpt(key)} is not followed by "="`);
    this.#at++;
    return key;
  }

  /** A name up to one of `stops`, escapes resolved. */
  #name(stops: string): string {
    const start = this.#at;
    let escaped = false;
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === BACKSLASH) {
        escaped = true;
        this.#at++;
      } else if (code === NEWLINE || stops.includes(this.#text[this.#at]!)) break;
    }
    const raw = this.#text.slice(start, this.#at);
    return escaped ? raw.replace(/\\([,= ])/g, '$1') : raw;
  }

  #value(key: string): FieldValue {
    if (this.#text.charCodeAt(this.#at) === QUOTE) return this.#quoted(key);
    const start = this.#at;
    while (this.#at < this.#text.length && !', \n\r'.includes(this.#text[this.#at]!)) this.#at++;
    const raw = this.#text.slice(start, this.#at);
    if (INTEGER.test(raw)) return Number(raw.slice(0, -1));
    if (FLOAT.test(raw)) return Number(raw);
    if (TRUE.has(raw)) return true;
    if (FALSE.has(raw)) return false;
    throw invalidPayload(`the field ${excerpt(key)} holds ${excerpt(raw)}`);
  }

  #quoted(key: string): string {
    const start = ++this.#at;
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === BACKSLASH) this.#at++;
      else if (code === QUOTE) {
        const raw = this.#text.slice(start, this.#at++);
        return raw.replace(/\\(["\\])/g, '$1');
      }
    }
    throw invalidPayload(`the text of the field ${excerpt(key)} has no end`);
  }

  #timestamp(): number | undefined {
    this.#skip(' ');
    const end = this.#text.indexOf('\n', this.#at);
    const raw = this.#text.slice(this.#at, end === -1 ? undefined : end).trim();
    if (!/^(-?\d{1,19})?$/.test(raw)) throw invalidPayload(`${excerpt(raw)} is no timestamp`);
    this.skipLine();
    return raw === '' ? undefined : Number(raw);
  }

  #expectSpace(): void {
    if (this.#text[this.#at] !== ' ') throw invalidPayload('a line without fields');
    this.#skip(' ');
  }

  #skip(characters: string): void {
    while (this.#at < this.#text.length && characters.includes(this.#text[this.#at]!)) this.#at++;
  }
}

/**
 * The lines of a payload. A line that is none is handed to `onFault`; the others count all the same.
 * @param onFault gets the error of each line that cannot be read
 */
export function parseLineProtocol(text: string, onFault: (error: unknown) => void): ProtocolLine[] {
  const lines: ProtocolLine[] = [];
  const parser = new Parser(text);
  for (;;) {
    try {
      const line = parser.next();
      if (line === undefined) return lines;
      lines.push(line);
    } catch (error) {
      onFault(error);
      parser.skipLine();
    }
  }
}
