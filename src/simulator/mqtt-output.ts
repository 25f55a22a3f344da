import type { MqttClient } from 'mqtt';
import type { Logger } from '../base/logger.js';
import type { PlantBlock, PlantOutput } from './plant-block.js';

/** Sensors have little memory: what is not acknowledged beyond this is dropped. */
const MAX_UNACKNOWLEDGED = 128;

export const WAVEFORM_HEADER_BYTES = 16;

/**
 * The waveform payload of the plant's MQTT sensors: block number (uint32le), samples (uint32le), time of the first
 * sample (uint64le, microseconds since the Unix epoch), then float32le samples.
 */
export function waveformPayload(block: PlantBlock, samples: Float32Array): Buffer {
  const payload = Buffer.alloc(WAVEFORM_HEADER_BYTES + samples.length * 4);
  payload.writeUInt32LE(block.sequence >>> 0, 0);
  payload.writeUInt32LE(samples.length, 4);
  payload.writeBigUInt64LE(BigInt(Math.round(block.startTimeMs * 1000)), 8);
  for (let i = 0; i < samples.length; i++) payload.writeFloatLE(samples[i]!, WAVEFORM_HEADER_BYTES + 4 * i);
  return payload;
}

/** Publishes vibration and sound as waveforms and a temperature as JSON; keeps trying until its broker is there. */
export class MqttOutput implements PlantOutput {
  readonly #client: MqttClient;
  #unacknowledged = 0;
  #dropped = 0;

  private constructor(client: MqttClient) {
    this.#client = client;
  }

  static async start(url: string, logger: Logger): Promise<MqttOutput> {
    const { default: mqtt } = await import('mqtt');
    const client = mqtt.connect(url, {
      clientId: 'virtual-plant',
      protocolVersion: 4,
      clean: false,
      reconnectPeriod: 500,
      queueQoSZero: false,
    });
    let told = '';
    client.on('error', (error) => {
      // One line for each way in which it fails, not one for each attempt.
      if (error.message !== told)
        logger.info({ url, reason: error.message }, 'the plant waits for its broker');
      told = error.message;
    });
    client.on('connect', () => {
      told = '';
    });
    return new MqttOutput(client);
  }

  /** Messages that were dropped because the broker did not acknowledge for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  send(block: PlantBlock): void {
    const { pump, fan } = block;
    this.#publish('plant/pump-1/bearing-nde/vibration', waveformPayload(block, pump.nde));
    this.#publish('plant/fan-1/casing/vibration', waveformPayload(block, fan.casing));
    this.#publish('plant/fan-1/inlet/sound', waveformPayload(block, fan.sound));
    // Slow quantities once a second or so.
    if (block.sequence % 6 !== 0) return;
    const value = Number(fan.scalars.motorTemperatureDegC.toFixed(2));
    this.#publish(
      'plant/fan-1/motor/temperature',
      JSON.stringify({ value, ts: Math.round(block.startTimeMs) }),
    );
  }

  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #publish(topic: string, payload: Buffer | string): void {
    if (this.#unacknowledged >= MAX_UNACKNOWLEDGED) {
      this.#dropped++;
      return;
    }
    this.#unacknowledged++;
    this.#client.publish(topic, payload, { qos: 1 }, () => {
      this.#unacknowledged--;
    });
  }
}
