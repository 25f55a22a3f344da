import mqtt, { type MqttClient } from 'mqtt';
import * as sparkplug from 'sparkplug-payload';

// An edge node that writes its payloads with the encoder of Eclipse Tahu: nobody here wrote it.

const codec = sparkplug.get('spBv1.0')!;

export interface TahuMetric {
  name?: string;
  alias?: number;
  type: string;
  value: unknown;
  timestamp?: number;
  properties?: Record<string, { type: string; value: unknown }>;
}

export const encode = (metrics: readonly TahuMetric[], seq?: number, timestamp = Date.now()): Buffer =>
  Buffer.from(codec.encodePayload({ timestamp, metrics, ...(seq === undefined ? {} : { seq }) } as never));

export const decodePayload = (bytes: Buffer) => codec.decodePayload(bytes);

/** An edge node of group `plant` with devices, on a broker. */
export class EdgeNode {
  readonly #client: MqttClient;
  readonly #name: string;
  readonly #bdSeq: number;
  readonly #birth: readonly TahuMetric[];
  readonly #devices: Readonly<Record<string, readonly TahuMetric[]>>;
  #seq = 0;
  rebirths = 0;

  private constructor(
    client: MqttClient,
    name: string,
    bdSeq: number,
    birth: readonly TahuMetric[],
    devices: Readonly<Record<string, readonly TahuMetric[]>>,
  ) {
    this.#client = client;
    this.#name = name;
    this.#bdSeq = bdSeq;
    this.#birth = birth;
    this.#devices = devices;
    client.on('message', (topic, payload) => {
      if (!topic.includes('/NCMD/')) return;
      const { metrics } = decodePayload(payload);
      if (metrics?.some(({ name: metric, value }) => metric === 'Node Control/Rebirth' && value === true)) {
        this.rebirths++;
        this.born();
      }
    });
  }

  static async connect(
    url: string,
    name: string,
    birth: readonly TahuMetric[],
    devices: Readonly<Record<string, readonly TahuMetric[]>>,
    bdSeq = 0,
  ): Promise<EdgeNode> {
    const bd = { name: 'bdSeq', type: 'UInt64', value: bdSeq };
    const client = await mqtt.connectAsync(url, {
      protocolVersion: 4,
      reconnectPeriod: 0,
      will: { topic: `spBv1.0/plant/NDEATH/${name}`, payload: encode([bd]), qos: 1, retain: false },
    });
    const node = new EdgeNode(client, name, bdSeq, birth, devices);
    await client.subscribeAsync(`spBv1.0/plant/NCMD/${name}`, { qos: 1 });
    return node;
  }

  born(): void {
    this.#seq = 0;
    const bd = { name: 'bdSeq', type: 'UInt64', value: this.#bdSeq };
    const control = { name: 'Node Control/Rebirth', type: 'Boolean', value: false };
    this.#client.publish(
      `spBv1.0/plant/NBIRTH/${this.#name}`,
      encode([bd, control, ...this.#birth], this.#seq++),
    );
    for (const device of Object.keys(this.#devices)) this.deviceBorn(device);
  }

  deviceBorn(device: string): void {
    this.#client.publish(
      `spBv1.0/plant/DBIRTH/${this.#name}/${device}`,
      encode(this.#devices[device]!, this.next()),
    );
  }

  deviceDied(device: string): void {
    this.#client.publish(`spBv1.0/plant/DDEATH/${this.#name}/${device}`, encode([], this.next()));
  }

  data(metrics: readonly TahuMetric[], device?: string): void {
    const type = device === undefined ? 'NDATA' : 'DDATA';
    const address = device === undefined ? this.#name : `${this.#name}/${device}`;
    this.#client.publish(`spBv1.0/plant/${type}/${address}`, encode(metrics, this.next()));
  }

  /** The sequence number of the next message; to call it and send nothing loses one. */
  next(): number {
    const seq = this.#seq;
    this.#seq = (this.#seq + 1) % 256;
    return seq;
  }

  /** Without a DISCONNECT: the broker publishes the NDEATH. */
  async die(): Promise<void> {
    this.#client.stream.destroy();
    await this.#client.endAsync(true);
  }
}
