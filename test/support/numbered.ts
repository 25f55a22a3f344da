/** Of `payload:` in a subscription. */
export const NUMBERED_HEADER = 'header: { bytes: 4, sequence: { offset: 0, type: uint32le } }';

/**
 * Samples as float32le behind the number of their block, for signals that have to be analysed: without one, a block
 * that this process or the broker holds up for more than a second is taken for the end of a pause.
 */
export function numbered(block: number, samples: Float32Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(block);
  return Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)]);
}
