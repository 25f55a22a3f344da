/** Rows of CSV text (RFC 4180: quotes, doubled quotes, CR LF), with any one-character separator. */

/** Splits one line; quotes may surround a field and hold the separator, but no line break. */
export function splitCsvLine(line: string, separator: string): string[] {
  if (!line.includes('"')) return line.split(separator);
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (quoted) {
      if (char !== '"') field += char;
      else if (line[i + 1] === '"') {
        field += '"';
        i++;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === separator) {
      fields.push(field);
      field = '';
    } else field += char;
  }
  fields.push(field);
  return fields;
}

/** Lines without their ends, a byte-order mark and empty lines left out. */
export function* csvLines(text: string): Generator<string> {
  let start = text.startsWith('\uFEFF') ? 1 : 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    const line = text.slice(start, text[end - 1] === '\r' ? end - 1 : end);
    if (line.length > 0) yield line;
    start = end + 1;
  }
}

/** The separator that splits a header line best: tab, semicolon or comma; comma where there is none. */
export function guessSeparator(line: string): string {
  const counts = ['\t', ';', ','].map((separator) => ({ separator, count: line.split(separator).length }));
  return counts.reduce((best, next) => (next.count > best.count ? next : best)).count > 1
    ? counts.reduce((best, next) => (next.count > best.count ? next : best)).separator
    : ',';
}

/** Text of a file in UTF-8, or in UTF-16 where it begins so: spreadsheets write that too. */
export function decodeText(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString('utf16le');
  if (bytes[0] === 0xfe && bytes[1] === 0xff)
    return Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le');
  return bytes.toString('utf8');
}

/** A number, or NaN for an empty or foreign text. */
export function parseNumber(text: string | undefined, decimal?: '.' | ','): number {
  const given = text?.trim() ?? '';
  const trimmed = decimal === ',' ? given.replace(',', '.') : given;
  return trimmed === '' ? Number.NaN : Number(trimmed);
}
