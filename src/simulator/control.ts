import { createServer, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.js';
import { formatDuration } from '../base/duration.js';
import { SmEdgeError } from '../base/errors.js';
import { command, durationOf } from './commands.js';
import { listenOn } from './listen.js';
import type { PlantControls } from './plant.js';

const MAX_CLIENTS = 8;
/** A line that is longer is no command. */
const MAX_LINE = 500;
/** Commands that wait for their time. */
const MAX_WAITING = 1_000;

/** Runs commands on a plant, at once or later, and never throws: what is wrong is an answer too. */
export class PlantControl {
  readonly #controls: PlantControls;
  readonly #clock: Clock;
  readonly #say: (text: string) => void;
  readonly #waiting = new Set<Timer>();
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;

  /** `say` hears the answers to commands that were run later. */
  constructor(controls: PlantControls, clock: Clock, say: (text: string) => void) {
    this.#controls = controls;
    this.#clock = clock;
    this.#say = say;
  }

  /** The answer, and whether the command could be done. */
  async run(line: string): Promise<{ readonly ok: boolean; readonly text: string }> {
    try {
      const later = /^\s*in\s+(\S+)\s+(.+)$/.exec(line);
      const text =
        later === null ? await command(this.#controls, line) : this.#later(durationOf(later[1]), later[2]!);
      return { ok: true, text };
    } catch (thrown) {
      if (!(thrown instanceof SmEdgeError)) throw thrown;
      return {
        ok: false,
        text: thrown.hint === undefined ? thrown.message : `${thrown.message}: ${thrown.hint}`,
      };
    }
  }

  /** Takes commands over TCP, a line each; every answer ends with an empty line. */
  async listen(port: number, host = '127.0.0.1'): Promise<number> {
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MAX_CLIENTS;
    this.#server = server;
    return listenOn(server, port, host).catch((cause: Error) => {
      throw new SmEdgeError('PLANT_LISTEN', `no port for commands: ${cause.message}`, {
        cause,
        hint: 'Choose another port, or 0 for any that is free.',
      });
    });
  }

  async stop(): Promise<void> {
    for (const timer of this.#waiting) timer.cancel();
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const client of this.#clients) client.destroy();
    await closed;
  }

  #later(delayMs: number, line: string): string {
    if (this.#waiting.size >= MAX_WAITING)
      throw new SmEdgeError('PLANT_COMMAND', `${MAX_WAITING} commands wait already`);
    const timer = this.#clock.setTimer('plant command', delayMs, () => {
      this.#waiting.delete(timer);
      void this.run(line).then(({ text }) => this.#say(text));
    });
    this.#waiting.add(timer);
    return `in ${formatDuration(delayMs)}: ${line}`;
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#clients.delete(socket));
    let pending = '';
    let turn = Promise.resolve();
    socket.on('data', (chunk: string) => {
      pending += chunk;
      const lines = pending.split('\n');
      pending = lines.pop()!;
      if (pending.length > MAX_LINE) {
        socket.destroy();
        return;
      }
      for (const line of lines) {
        turn = turn.then(async () => {
          const { ok, text } = await this.run(line);
          if (!socket.destroyed) socket.write(`${ok ? '' : 'error: '}${text}\n\n`);
        });
      }
    });
  }
}
