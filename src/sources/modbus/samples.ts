import { calibrationLine, calibrationOf } from '../../signals/calibration.js';
import type { CommandConfig, FifoConfig } from './config-waveform.js';
import type { WriteRequest } from './protocol.js';
import { decodeValue, naturalOrder, registersOf } from './values.js';

export type SampleShape = Pick<FifoConfig, 'type' | 'order' | 'unit' | 'scale' | 'offset' | 'calibration'>;

/** The first `count` samples of these registers, scaled. */
export function decodeSamples(data: Buffer, rules: SampleShape, count: number): Float32Array {
  const { type } = rules;
  const { scale, offset } = lineOf(rules);
  const shape = { type, order: rules.order ?? naturalOrder(type), bit: 0 };
  const bytes = registersOf(type) * 2;
  const samples = new Float32Array(count);
  for (let i = 0; i < count; i++) samples[i] = decodeValue(data, i * bytes, shape) * scale + offset;
  return samples;
}

/** value = raw × scale + offset, declared so or by a calibration. */
function lineOf(rules: SampleShape): { readonly scale: number; readonly offset: number } {
  const { calibration, type, unit } = rules;
  if (calibration === undefined) return rules;
  const whole = { bits: registersOf(type) * 16, signed: type.startsWith('int') };
  return calibrationLine(calibrationOf(calibration, type === 'float32' ? undefined : whole, unit));
}

/** The write of a trigger, of the release of samples, of the emptying of a queue. */
export const commandRequest = (
  unitId: number,
  { register, address, value }: CommandConfig,
): WriteRequest => ({
  unitId,
  write: register,
  address,
  values: [value],
});
