import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type Clock, sleep } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';

/** A port that socat lost is made again after this time, milliseconds. */
const AGAIN_MS = 200;
/** A port has to be there within this time, milliseconds. */
const OPEN_MS = 5_000;
const LOOK_MS = 20;

/**
 * A serial port (a pseudo terminal of socat) whose other end is a device server of the plant. socat ends when a
 * program closes the port, and is then started again: the port is there until it is unplugged.
 */
export class PseudoPort {
  readonly path: string;
  readonly #tcpPort: number;
  readonly #clock: Clock;
  #process: ChildProcess | undefined;
  #plugged = false;
  #fault: string | undefined;

  constructor(path: string, tcpPort: number, clock: Clock) {
    this.path = path;
    this.#tcpPort = tcpPort;
    this.#clock = clock;
  }

  /** Resolves once the port is there. @throws SmEdgeError `PLANT_PORT` */
  async plug(): Promise<void> {
    if (this.#plugged) return;
    if (existsSync(this.path))
      throw new SmEdgeError('PLANT_PORT', `${this.path} is there already`, {
        hint: 'choose a name that is not taken, such as /tmp/plant-line',
      });
    this.#plugged = true;
    this.#fault = undefined;
    this.#run();
    const deadline = this.#clock.monotonicMs() + OPEN_MS;
    while (!existsSync(this.path)) {
      if (this.#fault !== undefined || this.#clock.monotonicMs() > deadline) {
        await this.unplug();
        throw new SmEdgeError('PLANT_PORT', `no port ${this.path}: ${this.#fault ?? 'socat made none'}`, {
          hint: 'pseudo terminals need socat (apt-get install socat) and a folder that may be written',
        });
      }
      await sleep(this.#clock, 'pseudo port', LOOK_MS);
    }
  }

  /** Pulls the adapter out: the port is gone. */
  async unplug(): Promise<void> {
    this.#plugged = false;
    const child = this.#process;
    this.#process = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    await rm(this.path, { force: true });
  }

  #run(): void {
    const port = `PTY,link=${this.path},rawer,wait-slave,pty-interval=0.05`;
    const child = spawn('socat', [port, `TCP:127.0.0.1:${this.#tcpPort}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    child.stderr.on('data', (text: Buffer) => {
      this.#fault = text.toString().trim().slice(0, 200);
    });
    child.on('error', (error) => {
      this.#fault = error.message;
    });
    child.on('exit', () => {
      if (!this.#plugged || this.#process !== child) return;
      this.#clock.setTimer('pseudo port', AGAIN_MS, () => {
        if (this.#plugged && this.#process === child) this.#run();
      });
    });
  }
}
