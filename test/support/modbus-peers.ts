import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { findProgram, requirePeer } from './require.js';
import { venvPython } from './venv.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

let folder: string | undefined;

/** Are the programs of test/support/libmodbus there? They are compiled where libmodbus is. */
export function requireLibmodbus(): boolean {
  const compiler = findProgram(process.env.CC ?? 'cc');
  if (folder === undefined && compiler !== undefined && existsSync('/usr/include/modbus/modbus.h')) {
    const { status, stdout } = spawnSync(path.join(ROOT, 'scripts/libmodbus-peers.sh'), { encoding: 'utf8' });
    if (status === 0) folder = stdout.trim();
  }
  return requirePeer('libmodbus (with a C compiler)', folder !== undefined, 'scripts/test-servers.sh');
}

/** A Modbus server in a process of its own, whose way to answer is changed by lines on its standard input. */
export class ModbusPeer {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! });
  }

  static async #start(program: string, args: readonly string[]): Promise<{ peer: ModbusPeer; said: string }> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const peer = new ModbusPeer(child);
    return { peer, said: await peer.#line() };
  }

  /** libmodbus over TCP. */
  static async libmodbusTcp(port = 0): Promise<{ peer: ModbusPeer; port: number }> {
    const { peer, said } = await ModbusPeer.#start(path.join(folder!, 'libmodbus-server'), [
      'tcp',
      String(port),
    ]);
    return { peer, port: Number(said) };
  }

  /** libmodbus on a serial port. */
  static async libmodbusRtu(device: string): Promise<ModbusPeer> {
    return (await ModbusPeer.#start(path.join(folder!, 'libmodbus-server'), ['rtu', device])).peer;
  }

  /** pymodbus, over TCP, with the frames of Modbus TCP or of RTU. */
  static async pymodbus(framer: 'socket' | 'rtu'): Promise<{ peer: ModbusPeer; port: number }> {
    const script = path.join(ROOT, 'test/sources/modbus/pymodbus-troubles.py');
    const { peer, said } = await ModbusPeer.#start(venvPython, [script, framer]);
    return { peer, port: Number(said) };
  }

  /** Resolves when the server answers so. */
  async mode(command: string): Promise<void> {
    this.#child.stdin!.write(`${command}\n`);
    await this.#line();
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #line(): Promise<string> {
    const ended = once(this.#child, 'exit').then(() => {
      throw new Error('the Modbus peer ended');
    });
    const [line] = await Promise.race([once(this.#lines, 'line'), ended]);
    return String(line);
  }
}
