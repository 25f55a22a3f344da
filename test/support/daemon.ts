import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from './free-port.js';

const PROGRAM = resolve(import.meta.dirname, '../../bin/sm-edge.js');
/** For what a process of the lowest priority does: others may leave it next to nothing of the cores. */
export const LEAST_PRIORITY_MS = 300_000;
/** A soak runs for long on machines that others load too. */
const DEADLINE_MS = process.env.SM_EDGE_SOAK_COUNT === undefined ? 120_000 : 180_000;

/** Tries until `probe` gives something, or the deadline has passed. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** What a command printed, and how it ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sm-edge` as a user would. */
export async function smEdge(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The daemon as a child process, with a config and a data folder of its own, that can be killed and started again. */
export class Daemon {
  readonly folder: string;
  readonly dataDir: string;
  readonly config: string;
  readonly base: string;
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(folder: string, httpPort: number) {
    this.folder = folder;
    this.dataDir = join(folder, 'data');
    this.config = join(folder, 'gateway.yaml');
    this.base = `http://127.0.0.1:${httpPort}`;
  }

  /** @param sections YAML below `gateway`, `storage` and `http` */
  static async create(sections: string): Promise<Daemon> {
    const folder = await mkdtemp(join(tmpdir(), 'sm-edge-e2e-'));
    const httpPort = await freePort();
    const daemon = new Daemon(folder, httpPort);
    await writeFile(
      daemon.config,
      `gateway: { id: gw-test, site: test }
storage: { path: ${daemon.dataDir}, budget: 2GiB }
http: { listen: 127.0.0.1:${httpPort} }
${sections}`,
    );
    return daemon;
  }

  /** Everything that it logged since it was created. */
  get log(): string {
    return this.#log;
  }

  /** Starts it; resolves when it is ready. */
  async start(): Promise<void> {
    const child = spawn(PROGRAM, ['run', '--config', this.config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    child.stderr.on('data', (text) => {
      this.#log = `${this.#log}${text}`.slice(-200_000);
    });
    await eventually(
      'the daemon becomes ready',
      async () => {
        if (child.exitCode !== null)
          throw new Error(`the daemon ended with ${child.exitCode}:\n${this.#log}`);
        const answer = await fetch(`${this.base}/health/ready`).catch(() => undefined);
        return answer?.status === 200 ? true : undefined;
      },
      DEADLINE_MS,
    ).catch((error) => {
      throw new Error(`${(error as Error).message}\n${this.#log}`);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends a signal and waits for the end; gives exit code and how long it took. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; ms: number }> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return { code: null, ms: 0 };
    const startMs = performance.now();
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    }
    return { code: child.exitCode, ms: performance.now() - startMs };
  }

  /** Ends it the hard way and removes its folder. */
  async remove(): Promise<void> {
    await this.end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  async json<T>(path: string): Promise<T> {
    return (await (await fetch(`${this.base}${path}`)).json()) as T;
  }

  /** Sum of a metric over its labels; 0 where it has no value. */
  async metric(name: string, labels: RegExp = /.*/): Promise<number> {
    const text = await (await fetch(`${this.base}/metrics`)).text();
    let sum = 0;
    for (const [, series, value] of text.matchAll(/^([a-z_]+(?:\{[^}]*\})?) ([-0-9.e+]+)$/gim)) {
      const [found, rest = ''] = series!.split('{');
      if (found === name && labels.test(rest)) sum += Number(value);
    }
    return sum;
  }
}
