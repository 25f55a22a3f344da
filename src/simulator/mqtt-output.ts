import type { MqttClient } from 'mqtt';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
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

/** What can be wrong with the plant's MQTT sensors. */
export class MqttTroubles {
  /** They say nothing. */
  silent = false;
  /** Share of the payloads that are random bytes, 0 to 1. */
  garbageShare = 0;
  /** What the clocks of the sensors are ahead (or behind, negative), ms. */
  clockMs = 0;

  clear(): void {
    this.silent = false;
    this.garbageShare = 0;
    this.clockMs = 0;
  }

  list(): string[] {
    return [
      ...(this.silent ? ['silent'] : []),
      ...(this.garbageShare > 0 ? [`garbage ${this.garbageShare}`] : []),
      ...(this.clockMs === 0 ? [] : [`clock ${this.clockMs}ms`]),
    ];
  }
}

/** Publishes vibration and sound as waveforms and a temperature as JSON; keeps trying until its broker is there. */
export class MqttOutput implements PlantOutput {
  readonly #client: MqttClient;
  readonly #troubles: MqttTroubles;
  readonly #random: Random;
  #unacknowledged = 0;
  #dropped = 0;

  private constructor(client: MqttClient, troubles: MqttTroubles, random: Random) {
    this.#client = client;
    this.#troubles = troubles;
    this.#random = random;
  }

  static async start(
    url: string,
    logger: Logger,
    troubles: MqttTroubles,
    random: Random,
  ): Promise<MqttOutput> {
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
    return new MqttOutput(client, troubles, random);
  }

  /** Messages that were dropped because the broker did not acknowledge for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Breaks the connection; the client makes it anew. */
  cut(): void {
    this.#client.stream?.destroy();
  }

  send(sent: PlantBlock): void {
    const block = { ...sent, startTimeMs: sent.startTimeMs + this.#troubles.clockMs };
    const { pump, fan, gearbox } = block;
    this.#publish('plant/pump-1/bearing-nde/vibration', waveformPayload(block, pump.nde));
    this.#publish('plant/fan-1/casing/vibration', waveformPayload(block, fan.casing));
    this.#publish('plant/fan-1/inlet/sound', waveformPayload(block, fan.sound));
    if (gearbox !== undefined)
      this.#publish('plant/gearbox-1/input-shaft/vibration', waveformPayload(block, gearbox.vibration));
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

  #publish(topic: string, meant: Buffer | string): void {
    if (this.#troubles.silent) return;
    const spoiled = this.#troubles.garbageShare > 0 && this.#random() < this.#troubles.garbageShare;
    const payload = spoiled ? Buffer.from(String(this.#random())).subarray(0, 7) : meant;
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
