import { setTimeout as delay } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { seededRandom } from '#sm/base/random.js';
import { numbered } from './numbered.js';

const BLOCK = 1024;
/** Between two messages: about four times as fast as a real 12 kHz sensor would send blocks. */
const PAUSE_MS = 20;

/** A pump that vibrates and warms up and cools down without end, and an MQTT client that tells of it. */
export class Pump {
  /** Whether something knocks in its bearing. */
  knocking = false;
  /** Whether its temperature goes over the alarm's limit again and again. */
  troubled = false;
  readonly #client: MqttClient;
  readonly #random = seededRandom(3);
  readonly #running: Promise<void>;
  #stopped = false;

  private constructor(client: MqttClient) {
    this.#client = client;
    this.#running = this.#run();
  }

  static async start(url: string): Promise<Pump> {
    return new Pump(
      await connectAsync(url, { protocolVersion: 4, clientId: 'pump-1', clean: false, reconnectPeriod: 100 }),
    );
  }

  /** Ends when everything is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#client.endAsync();
  }

  /** Ends at once. */
  abandon(): void {
    this.#stopped = true;
    this.#client.end(true);
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      const value = this.troubled && turn % 40 < 20 ? 90 : 60;
      const sent = [
        this.#client.publishAsync('plant/pump-1/de/vibration', numbered(turn, this.#block()), { qos: 1 }),
        this.#client.publishAsync('plant/pump-1/temperature', JSON.stringify({ value, ts: Date.now() }), {
          qos: 1,
        }),
      ];
      await Promise.all(sent).catch(() => undefined);
      await delay(PAUSE_MS);
    }
  }

  #block(): Float32Array {
    const noise = () => 0.1 * (2 * this.#random() - 1);
    return Float32Array.from({ length: BLOCK }, (_, i) =>
      this.knocking && i % 128 < 4 ? 100 * noise() : noise(),
    );
  }
}
