import type { PlantBlock, PlantOutput } from './plant-block.js';
import { SerialDeviceServer } from './serial/device-server.js';
import { encodeVibrationFrame } from './serial/frame.js';
import type { FrameTroubles } from './troubles.js';

/** Measuring range of the vibration node at the drive end: ±32768 stands for it, g. */
export const SERIAL_FULL_SCALE_G = 25;

/** Acceleration in g as the converter of the node gives it; it clips outside its range. */
export function toRaw(samples: Float32Array): Int16Array {
  const raw = new Int16Array(samples.length);
  const gain = 32_768 / SERIAL_FULL_SCALE_G;
  for (let i = 0; i < samples.length; i++) {
    raw[i] = Math.max(-32_768, Math.min(32_767, Math.round(samples[i]! * gain)));
  }
  return raw;
}

/** The vibration node at the pump's drive end, on a serial line behind a serial device server. */
export class SerialOutput implements PlantOutput {
  readonly #server: SerialDeviceServer;
  readonly #troubles: FrameTroubles;
  readonly port: number;
  /** The node is on; switched off it says nothing, and its counter stands still. */
  on = true;
  #counter = 0;

  private constructor(server: SerialDeviceServer, port: number, troubles: FrameTroubles) {
    this.#server = server;
    this.port = port;
    this.#troubles = troubles;
  }

  static async start(host: string, port: number, troubles: FrameTroubles): Promise<SerialOutput> {
    const server = new SerialDeviceServer();
    const bound = await server.start(port, host);
    return new SerialOutput(server, bound.port, troubles);
  }

  /** Breaks every connection; the device server goes on listening. */
  cut(): void {
    this.#server.disconnectAll();
  }

  send(block: PlantBlock): void {
    if (!this.on) return;
    const counter = this.#counter++ & 0xffff;
    if (this.#server.clients === 0) return;
    const frame = encodeVibrationFrame({ counter, samples: toRaw(block.pump.de) });
    for (const piece of this.#troubles.pieces(frame)) this.#server.send(piece);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}
