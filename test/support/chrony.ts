import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './free-port.js';
import { requirePeer } from './require.js';

/** Unpacked, not installed: the package would start a daemon that sets this machine's clock. */
const folder = process.env.SM_EDGE_TEST_CHRONY ?? path.join(homedir(), '.cache', 'sm-edge', 'chrony');
export const chronyc = path.join(folder, 'usr', 'bin', 'chronyc');
const chronyd = path.join(folder, 'usr', 'sbin', 'chronyd');

export const hasChrony = (): boolean =>
  requirePeer('chrony', existsSync(chronyd) && existsSync(chronyc), 'scripts/test-servers.sh');

/** A real chronyd on the loopback that leaves the clock of this machine alone (`-x`). */
export class Chrony {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly ntpPort: number;
  readonly commandPort: number;

  private constructor(child: ChildProcess, base: string, ntpPort: number, commandPort: number) {
    this.#child = child;
    this.#folder = base;
    this.ntpPort = ntpPort;
    this.commandPort = commandPort;
  }

  /** @param sources lines of chrony.conf that say where its time comes from */
  static async start(...sources: string[]): Promise<Chrony> {
    const base = await mkdtemp(path.join(tmpdir(), 'sm-edge-chrony-'));
    const [ntpPort, commandPort] = [await freePort(), await freePort()];
    const config = path.join(base, 'chrony.conf');
    const lines = [
      ...sources,
      ...[`port ${ntpPort}`, 'bindaddress 127.0.0.1', 'allow 127.0.0.1'],
      ...[`cmdport ${commandPort}`, 'bindcmdaddress 127.0.0.1', `pidfile ${path.join(base, 'pid')}`],
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];
    const child = spawn(chronyd, ['-d', '-x', '-U', ...user, '-f', config], { stdio: 'ignore' });
    return new Chrony(child, base, ntpPort, commandPort);
  }

  get commandArgs(): string[] {
    return ['-h', '127.0.0.1', '-p', String(this.commandPort)];
  }

  async remove(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGKILL');
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
