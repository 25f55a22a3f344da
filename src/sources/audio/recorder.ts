import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { AudioConfig } from './config.js';

/** A recorder that does not end on SIGTERM is killed after this time, milliseconds. */
const KILL_AFTER_MS = 1_000;
const MAX_LINE = 500;

export interface RecorderListener {
  onBytes(chunk: Buffer): void;
  /** A line of its error output. */
  onLine(line: string): void;
}

/** One run of `arecord`: WAV on its standard output until it ends or is ended. */
export class Recorder {
  readonly #clock: Clock;
  readonly #child: ChildProcess;
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<SmEdgeError>;
  #lastLine = '';

  constructor(config: AudioConfig, clock: Clock, listener: RecorderListener) {
    this.#clock = clock;
    const { program, device, format, sampleRateHz, channels } = config;
    const child = spawn(
      program,
      [
        '-q',
        '-t',
        'wav',
        '-D',
        device,
        '-f',
        format,
        '-r',
        String(sampleRateHz),
        '-c',
        String(channels.length),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    child.stdout!.on('data', (chunk: Buffer) => listener.onBytes(chunk));
    let partial = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (partial + text).split('\n');
      partial = lines.pop()!.slice(-MAX_LINE);
      for (const line of lines.map((one) => one.trim()).filter((one) => one !== '')) {
        this.#lastLine = line.slice(0, MAX_LINE);
        listener.onLine(this.#lastLine);
      }
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve(spawnFault(error, program)));
      child.once('close', (code, signal) => {
        const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
        const said = this.#lastLine === '' ? '' : `: ${this.#lastLine}`;
        resolve(
          new SmEdgeError('RECORDER_ENDED', `${program} ${how}${said}`, { retryable: true, ...hint(said) }),
        );
      });
    });
  }

  /** Ends it; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = this.#clock.setTimer('recorder kill', KILL_AFTER_MS, () => this.#child.kill('SIGKILL'));
    await this.ended;
    timer.cancel();
  }
}

function spawnFault(error: NodeJS.ErrnoException, program: string): SmEdgeError {
  const missing = error.code === 'ENOENT';
  return new SmEdgeError('RECORDER_MISSING', missing ? `${program} is not installed` : error.message, {
    retryable: true,
    hint: missing ? 'install it: apt-get install alsa-utils' : 'check `program`',
    cause: error,
  });
}

function hint(said: string): { hint?: string } {
  if (/busy/i.test(said)) return { hint: 'another program holds the device' };
  if (/no such (file|device)|cannot find card|unknown pcm/i.test(said))
    return { hint: 'is the microphone plugged in? `arecord -L` lists the devices' };
  if (/permission/i.test(said)) return { hint: 'add the user of the daemon to the group audio' };
  return {};
}
