import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DATABASE_FILE } from '#sm/storage/store.js';
import { eventually } from '../support/daemon.js';

const PROGRAM = resolve(import.meta.dirname, '../../bin/sm-edge.js');

/** The demo as a user starts it, with a folder for temporary files of its own, to see what it leaves there. */
class Demo {
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], temp: string) {
    this.#child = spawn(process.execPath, [PROGRAM, 'demo', ...args], {
      env: { ...process.env, TMPDIR: temp },
      // A group of its own: whoever is in it afterwards was left behind.
      detached: true,
    });
    this.#child.stdout!.on('data', (text) => {
      this.stdout += text;
    });
    this.#child.stderr!.on('data', (text) => {
      this.stderr += text;
    });
  }

  /** Exit code; null where a signal ended it. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
    return this.#child.exitCode;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Is any process of it left? */
  get alive(): boolean {
    try {
      return process.kill(-this.#child.pid!, 0);
    } catch {
      return false;
    }
  }

  async kill(): Promise<void> {
    if (this.alive) process.kill(-this.#child.pid!, 'SIGKILL');
    await this.ended();
  }

  get url(): string | undefined {
    return /http:\/\/[\d.:]+/.exec(this.stdout)?.[0];
  }

  /** With `--json`: what was printed. */
  events(): { type: string; payload: Record<string, unknown> }[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }
}

describe('sm-edge demo', () => {
  let temp: string;
  let data: string;
  let demo: Demo;
  const start = (...args: string[]) => {
    demo = new Demo(args, temp);
  };

  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sm-edge-demo-test-'));
    temp = join(folder, 'tmp');
    data = join(folder, 'data');
    await mkdir(temp);
  });

  afterEach(async () => {
    await demo.kill();
    await rm(join(temp, '..'), { recursive: true, force: true });
  });

  it('raises the alarm of the bearing, says which part it is, and leaves nothing behind', async () => {
    start('--fault-after', '5s', '--data', data, '--json');
    await eventually(
      'the alarm is raised',
      () => demo.events().some(({ type }) => type === 'AlarmRaised') || undefined,
      180_000,
    );
    demo.signal('SIGINT');
    expect(await demo.ended(), demo.stderr).toBe(0);
    expect(demo.stderr).toBe('');
    expect(demo.alive).toBe(false);
    expect(readdirSync(temp)).toEqual([]);
    expect(readdirSync(data)).toContain(DATABASE_FILE);

    const events = demo.events();
    expect(events.filter(({ type }) => type === 'SourceDegraded')).toEqual([]);
    const raised = events.filter(({ type }) => type === 'AlarmRaised').map(({ payload }) => payload);
    expect(raised[0]).toMatchObject({ point: 'pump-1.bearing-de.acceleration', severity: 'high' });
    expect(raised[0]!.message).toMatch(/outer race/i);
    // The fan is healthy all the time.
    const anomalous = events.filter(({ type }) => type === 'AnomalyDetected');
    for (const { payload } of anomalous) expect(payload.point).toMatch(/^pump-1\./);
  });

  it('shows machines that are watched, and stops on Ctrl-C', async () => {
    start('--data', data);
    const url = await eventually('it says where it can be asked', () => demo.url);
    const good = await eventually('all sources are good and every point shows something', async () => {
      const { parts } = (await (await fetch(`${url}/health`)).json()) as {
        parts: { part: string; state: string }[];
      };
      const sources = parts.filter(({ part }) => part.startsWith('source '));
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const windows = Number(/^sm_edge_pipeline_windows_total (\d+)/m.exec(metrics)?.[1] ?? 0);
      return windows >= 8 && sources.every(({ state }) => state === 'good') ? sources : undefined;
    });
    expect(good.map(({ part }) => part).sort()).toEqual([
      'source plant-bus',
      'source plant-line',
      'source plant-mqtt',
    ]);
    const startMs = performance.now();
    demo.signal('SIGINT');
    expect(await demo.ended()).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(demo.alive).toBe(false);
    expect(readdirSync(temp)).toEqual([]);

    expect(demo.stderr).toBe('');
    for (const shown of [
      'plant-bus',
      'plant-line',
      'plant-mqtt',
      'pump-1',
      'fan-1',
      'bearing-de.acceleration',
    ])
      expect(demo.stdout).toContain(shown);
    expect(demo.stdout).toContain(`stopped; the data stays in ${data}`);
    const picture = demo.stdout.slice(
      demo.stdout.indexOf('Smart Maintenance Edge'),
      demo.stdout.indexOf('\n\nstopped;'),
    );
    const lines = picture.split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines) expect(line.length, line).toBeLessThan(80);
  });

  it('makes a folder for its data where none is named, and prints its place', async () => {
    start('--duration', '2s');
    expect(await demo.ended(), demo.stderr).toBe(0);
    const [made, ...others] = readdirSync(temp);
    expect(others).toEqual([]);
    expect(demo.stdout).toContain(`the data stays in ${join(temp, made!)}`);
  });

  it('says in one line why it cannot start, and leaves no plant running', async () => {
    // A folder cannot be made below a file.
    start('--data', join(PROGRAM, 'below-a-file'));
    expect(await demo.ended()).toBe(1);
    expect(demo.stderr.trim().split('\n')).toHaveLength(1);
    expect(demo.alive).toBe(false);
  });
});
