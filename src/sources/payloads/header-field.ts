/** Types of a field in a binary header, by the names that configs use. */
export const HEADER_FIELD_TYPES = [
  'uint8',
  'uint16le',
  'uint16be',
  'uint32le',
  'uint32be',
  'uint64le',
  'uint64be',
  'int64le',
  'int64be',
  'float32le',
  'float32be',
  'float64le',
  'float64be',
] as const;

export type HeaderFieldType = (typeof HEADER_FIELD_TYPES)[number];

export interface HeaderField {
  /** Bytes from the start of the payload. */
  readonly offset: number;
  readonly type: HeaderFieldType;
}

export const headerFieldBytes = (type: HeaderFieldType): number => Number(/\d+/.exec(type)![0]) / 8;

/** A counter of this type starts at 0 again after so many; undefined where that is beyond what a number holds. */
export const fieldModulus = (type: HeaderFieldType): number | undefined =>
  type.startsWith('uint') && headerFieldBytes(type) <= 4 ? 2 ** (8 * headerFieldBytes(type)) : undefined;

/** The value of a field; 64-bit integers as bigint, since nanoseconds since 1970 do not fit a number. */
export function readHeaderField(view: DataView, field: HeaderField): number | bigint {
  const { offset, type } = field;
  const little = type.endsWith('le');
  switch (type) {
    case 'uint8':
      return view.getUint8(offset);
    case 'uint16le':
    case 'uint16be':
      return view.getUint16(offset, little);
    case 'uint32le':
    case 'uint32be':
      return view.getUint32(offset, little);
    case 'uint64le':
    case 'uint64be':
      return view.getBigUint64(offset, little);
    case 'int64le':
    case 'int64be':
      return view.getBigInt64(offset, little);
    case 'float32le':
    case 'float32be':
      return view.getFloat32(offset, little);
    case 'float64le':
    case 'float64be':
      return view.getFloat64(offset, little);
  }
}
