import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createGatewayApi } from '../api/gateway-api.js';
import { listen } from '../api/server.js';
import { systemClock } from '../base/clock.js';
import { formatDuration } from '../base/duration.js';
import { createLogger } from '../base/logger.js';
import { systemRandom } from '../base/random.js';
import { parseConfig } from '../config/load.js';
import type { GatewayEvent } from '../events/event.js';
import { Gateway } from '../gateway.js';
import { demoConfig } from '../simulator/demo-config.js';
import { type Plant, startPlant } from '../simulator/plant.js';
import type { RegisterVerb } from './context.js';
import { writeAddress } from './daemon-client.js';
import { renderDemo } from './demo-screen.js';
import { freePort } from './free-port.js';
import { durationOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';

interface DemoOptions {
  readonly data?: string;
  readonly faultAfter: string;
  readonly duration?: string;
  readonly json?: boolean;
}

/** Screen refresh on a terminal, milliseconds. */
const REFRESH_MS = 500;
/** From the first trace to a heavily damaged bearing, milliseconds: nobody watches a demo for months. */
const FAULT_GROWTH_MS = 75_000;

const CLEAR = '\u001b[H\u001b[2J';

/** Draws over what is there, line by line: no flicker, and no scrolling by a last line feed. */
const inPlace = (screen: string): string =>
  `\u001b[H${screen.replaceAll('\n', '\u001b[K\n')}\u001b[K\u001b[J`;

/** `sm-edge demo`: virtual plant, daemon and a live screen in one process tree; no hardware, no network, no root. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('demo')
    .description('virtual plant + daemon in one command; no hardware, no network')
    .option('--data <folder>', 'where to keep the data (default: a new folder for temporary files)')
    .option('--fault-after <duration>', 'when the bearing of pump-1 starts to fail', '1min')
    .option('--duration <duration>', 'stop by itself after this time')
    .option('--json', 'events as NDJSON on stdout')
    .action(async (options: DemoOptions) => {
      try {
        await demo(options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function demo(options: DemoOptions): Promise<void> {
    const clock = systemClock;
    const faultAfterMs = durationOption('--fault-after', options.faultAfter);
    const durationMs =
      options.duration === undefined ? undefined : durationOption('--duration', options.duration);
    const dataDir = options.data ?? mkdtempSync(join(tmpdir(), 'sm-edge-demo-'));
    const logger = createLogger('warn', { demo: true });
    const startedMs = clock.monotonicMs();
    const stop = untilSignal(clock, durationMs);

    try {
      mkdirSync(dataDir, { recursive: true });
      // The gateway's embedded broker and the plant's sensors have to agree on a port before either is there.
      const mqtt = { url: `mqtt://127.0.0.1:${await freePort()}` };
      const random = systemRandom;
      const plant = await startPlant({
        clock,
        random,
        logger,
        faultAfterMs,
        faultGrowthMs: FAULT_GROWTH_MS,
        mqtt,
      });
      try {
        await watch(plant);
      } finally {
        await plant.stop();
      }
    } finally {
      stop.dispose();
    }
    if (options.json !== true) await write(context.out, `\nstopped; the data stays in ${dataDir}\n`);

    /** The daemon over the plant, until it is time to stop. */
    async function watch(plant: Plant): Promise<void> {
      const text = stringify({ ...demoConfig(plant.endpoints, dataDir), http: { listen: '127.0.0.1:0' } });
      const file = join(dataDir, 'gateway.yaml');
      writeFileSync(file, text);
      const { config, hash } = parseConfig(file, text, {});
      const gateway = new Gateway({ config, configHash: hash, clock, random: systemRandom, logger });
      const api = createGatewayApi(gateway, { logger: logger, keys: config.http.keys });
      try {
        const port = await listen(api, config.http.listen);
        await gateway.start();
        await show(gateway, writeAddress(dataDir, config.http.listen, port));
      } finally {
        await gateway.stop();
        await api.close();
      }
    }

    async function show(gateway: Gateway, url: string): Promise<void> {
      const live = context.out.isTTY === true && options.json !== true;
      const say = async (line: string) => {
        if (!live) await write(context.out, `${line}\n`);
      };
      if (options.json !== true) {
        await say(`sm-edge demo: data folder ${dataDir}, health at ${url}/health, Ctrl-C stops it`);
        await say(`the drive-end bearing of pump-1 starts to fail in ${formatDuration(faultAfterMs)}`);
      }
      await gateway.onEvent('demo', (event) => say(options.json ? JSON.stringify(event) : eventLine(event)));
      const picture = (rows?: number) =>
        renderDemo({
          snapshot: gateway.snapshot(),
          elapsedMs: clock.monotonicMs() - startedMs,
          faultAfterMs,
          url,
          dataDir,
          ...(rows === undefined ? {} : { rows }),
        });
      if (live) await write(context.out, CLEAR);
      while (!stop.stopped) {
        if (live) await write(context.out, inPlace(picture(context.out.rows ?? 24)));
        await stop.wait(live ? REFRESH_MS : 60_000);
      }
      if (!live && options.json !== true) await write(context.out, `\n${picture()}\n`);
    }
  }
};

function eventLine(event: GatewayEvent): string {
  const { point, message } = event.payload as { point?: string; message?: string };
  return `${event.time.slice(11, 19)} ${event.type}${point === undefined ? '' : ` ${point}`}${message === undefined ? '' : `: ${message}`}`;
}
