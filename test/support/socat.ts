import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findProgram, requirePeer } from './require.js';

export const hasSocat = (): boolean =>
  requirePeer('socat', findProgram('socat') !== undefined, 'scripts/test-servers.sh');

/** A serial port (a pseudo terminal of socat) whose other end is a TCP server of the test. */
export class PseudoSerialPort {
  readonly path: string;
  readonly #folder: string;
  readonly #tcpPort: number;
  #process: ChildProcess | undefined;

  private constructor(folder: string, tcpPort: number) {
    this.#folder = folder;
    this.#tcpPort = tcpPort;
    this.path = path.join(folder, 'port');
  }

  static async open(tcpPort: number): Promise<PseudoSerialPort> {
    const port = new PseudoSerialPort(await mkdtemp(path.join(tmpdir(), 'sm-edge-serial-')), tcpPort);
    await port.plug();
    return port;
  }

  /** Puts the adapter in: the port is there when this resolves. */
  async plug(): Promise<void> {
    const child = spawn(
      findProgram('socat')!,
      [`PTY,link=${this.path},rawer,wait-slave,pty-interval=0.02`, `TCP:127.0.0.1:${this.#tcpPort}`],
      { stdio: 'ignore' },
    );
    this.#process = child;
    const deadline = performance.now() + 30_000;
    while (!existsSync(this.path)) {
      if (performance.now() > deadline) throw new Error('socat made no port within 30 s');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Pulls the adapter out: the port is gone. */
  async unplug(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    await rm(this.path, { force: true });
  }

  async stop(): Promise<void> {
    await this.unplug();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Two serial ports (pseudo terminals of socat) with a cable between them. */
export class PtyPair {
  readonly a: string;
  readonly b: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(folder: string) {
    this.#folder = folder;
    this.a = path.join(folder, 'a');
    this.b = path.join(folder, 'b');
    const end = (link: string) => `PTY,link=${link},rawer,echo=0`;
    this.#process = spawn(findProgram('socat')!, [end(this.a), end(this.b)], { stdio: 'ignore' });
  }

  static async open(): Promise<PtyPair> {
    const pair = new PtyPair(await mkdtemp(path.join(tmpdir(), 'sm-edge-pty-')));
    const deadline = performance.now() + 30_000;
    while (!existsSync(pair.a) || !existsSync(pair.b)) {
      if (performance.now() > deadline) throw new Error('socat made no ports within 30 s');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return pair;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
