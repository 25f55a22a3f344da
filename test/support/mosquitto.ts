import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { findProgram, onPath, requirePeer } from './require.js';

/** For `describe.skipIf`: whether the tests can have a mosquitto. */
export const hasMosquitto = (): boolean =>
  requirePeer('mosquitto', onPath('mosquitto'), 'scripts/test-servers.sh');

async function answers(port: number, deadlineMs: number): Promise<void> {
  for (const endMs = performance.now() + deadlineMs; ; ) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (performance.now() > endMs) throw new Error(`mosquitto does not listen on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface MosquittoOptions {
  /** Further lines for mosquitto.conf. */
  readonly config?: string;
  /** Keep sessions and retained messages over a restart. Default true. */
  readonly persistence?: boolean;
}

/** A real mosquitto on a free port of the loopback, its files in a temporary folder. */
export class Mosquitto {
  readonly port: number;
  readonly folder: string;
  readonly #config: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string, config: string) {
    this.port = port;
    this.folder = folder;
    this.#config = config;
  }

  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'sm-edge-mosquitto-'));
    const lines = [
      `listener ${port} 127.0.0.1`,
      options.config?.includes('allow_anonymous') ? '' : 'allow_anonymous true',
      // The running user: mosquitto would drop root for one that cannot write to the folder.
      `user ${process.env.USER ?? 'root'}`,
      options.persistence === false
        ? 'persistence false'
        : `persistence true\npersistence_location ${folder}/`,
      'set_tcp_nodelay true',
      options.config ?? '',
    ];
    const mosquitto = new Mosquitto(port, folder, join(folder, 'mosquitto.conf'));
    await writeFile(mosquitto.#config, `${lines.join('\n')}\n`);
    await mosquitto.up();
    return mosquitto;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Starts it where it is down. */
  async up(): Promise<void> {
    if (this.#process !== undefined) return;
    const child = spawn(findProgram('mosquitto')!, ['-c', this.#config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaint = '';
    child.stderr?.on('data', (chunk) => {
      complaint = (complaint + chunk).slice(-2000);
    });
    this.#process = child;
    try {
      await answers(this.port, 30_000);
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${complaint}`);
    }
  }

  /** Ends it: SIGTERM saves sessions, SIGKILL does not. */
  async down(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.down(signal);
    await this.up();
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    await this.down('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}
