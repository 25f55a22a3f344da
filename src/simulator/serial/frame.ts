import { type CrcName, crc, crcBytes } from '../../base/crc.js';

/** A frame as simple vibration nodes send it: everything little-endian, the check value over all that follows the sync word. */
export interface VibrationFrame {
  /** Running number, 0 to 65,535, then 0 again: a jump is a lost frame. */
  readonly counter: number;
  /** int16 samples, channels interleaved: x0 y0 z0 x1 y1 z1 … */
  readonly samples: Int16Array;
}

export const FRAME_SYNC = Uint8Array.of(0xa5, 0x5a);
export const FRAME_CRC: CrcName = 'crc16-ccitt-false';

/**
 * Sync word (A5 5A), length (uint16: bytes of the payload), payload (counter uint16, samples int16 …), CRC-16.
 * The serial source reads it with
 *
 *     framing: { kind: sync, sync: A55A, length: { type: uint16le }, check: { name: crc16-ccitt-false } }
 *     messages:
 *       - point: pump-1.bearing-de.{channel}
 *         payload: { kind: waveform, header: { bytes: 2, sequence: { offset: 0, type: uint16le } }, encoding: int16le,
 *                    channels: [x, y, z], sampleRateHz: 6400, unit: g, fullScale: 16 }
 */
export function encodeVibrationFrame({ counter, samples }: VibrationFrame): Uint8Array {
  const sync = FRAME_SYNC.length;
  const payloadBytes = 2 + samples.length * 2;
  if (payloadBytes > 0xffff) throw new RangeError(`${samples.length} samples do not fit into one frame`);
  const bytes = new Uint8Array(sync + 2 + payloadBytes + crcBytes(FRAME_CRC));
  const view = new DataView(bytes.buffer);
  bytes.set(FRAME_SYNC);
  view.setUint16(sync, payloadBytes, true);
  view.setUint16(sync + 2, counter & 0xffff, true);
  for (let i = 0; i < samples.length; i++) view.setInt16(sync + 4 + 2 * i, samples[i]!, true);
  const end = sync + 2 + payloadBytes;
  view.setUint16(end, crc(FRAME_CRC, bytes, sync, end), true);
  return bytes;
}
