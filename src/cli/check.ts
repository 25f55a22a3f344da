import { createServer } from 'node:net';
import { systemClock } from '../base/clock.js';
import { formatKey, type KeyPath } from '../config/document.js';
import { ConfigError, type ConfigFault, faultAt } from '../config/faults.js';
import { checkFolder } from '../config/folders.js';
import { type LoadedConfig, loadConfig } from '../config/load.js';
import type { GatewayConfig } from '../config/schema.js';
import { probeOnnx } from '../scoring/probe.js';
import type { RegisterVerb } from './context.js';
import { EXIT, reportFailure, write } from './output.js';
import { probeDocument, probeSentence } from './probe-text.js';

/** `sm-edge check`: every fault of a config with line, key and hint; nothing is started. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('check')
    .description('validate a config; print every fault with its line, key and a hint')
    .requiredOption('--config <file>', 'the config')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { config: string; json?: boolean }) => {
      try {
        const loaded = loadConfig(options.config, context.env);
        const faults = await surroundingFaults(loaded);
        if (faults.length > 0) throw new ConfigError(faults);
        const { config } = loaded;
        // No fault of the config: the gateway runs without models too.
        const onnx = await probeOnnx(systemClock).result;
        await write(
          context.out,
          options.json
            ? `${JSON.stringify({ ok: true, file: options.config, faults: [], onnx: probeDocument(onnx) })}\n`
            : `${options.config}: good (${config.sources.length} sources, ${config.machines.length} machines, ${config.alarms.length} alarms)\n${probeSentence(onnx)}\n`,
        );
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

/** Faults that only this machine can tell: ports that are taken, folders that cannot be written. */
async function surroundingFaults(loaded: LoadedConfig): Promise<ConfigFault[]> {
  const { config, document } = loaded;
  const faults: ConfigFault[] = [];
  const folder = checkFolder(config.storage.path);
  if (folder !== undefined) {
    faults.push(
      faultAt(document, ['storage', 'path'], folder, 'choose a folder that the service may write to'),
    );
  }
  const listeners = listenersOf(config);
  for (const [index, { path, host, port }] of listeners.entries()) {
    if (port === 0) continue;
    const rival = listeners.slice(0, index).find((other) => other.port === port && overlap(other.host, host));
    if (rival !== undefined) {
      const { line } = document.locate(rival.path, 'value');
      const message = `port ${port} is taken by ${formatKey(rival.path)} in line ${line}`;
      faults.push(faultAt(document, path, message, 'give each its own port'));
      continue;
    }
    const fault = await bindFault(host, port);
    if (fault !== undefined) {
      faults.push(faultAt(document, path, `cannot listen on ${host}:${port}: ${fault.reason}`, fault.hint));
    }
  }
  return faults;
}

interface Listener {
  readonly path: KeyPath;
  readonly host: string;
  readonly port: number;
}

function listenersOf(config: GatewayConfig): readonly Listener[] {
  const brokers = config.sources.flatMap((source, index) => {
    if (source.type !== 'mqtt' || !('embedded' in source.broker)) return [];
    const { listen } = source.broker.embedded;
    const colon = listen.lastIndexOf(':');
    const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
    return [
      {
        path: ['sources', index, 'broker', 'embedded', 'listen'],
        host,
        port: Number(listen.slice(colon + 1)),
      },
    ];
  });
  return [{ path: ['http', 'listen'], ...config.http.listen }, ...brokers];
}

/** One address, or one of them every address. */
const overlap = (a: string, b: string): boolean =>
  a === b || [a, b].some((host) => host === '0.0.0.0' || host === '::');

/** Tries to bind for a moment; gives the reason where it cannot. */
function bindFault(host: string, port: number): Promise<{ reason: string; hint: string } | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(inPlainWords(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function inPlainWords({ code, message }: NodeJS.ErrnoException): { reason: string; hint: string } {
  switch (code) {
    case 'EADDRINUSE':
      return {
        reason: 'the port is taken',
        hint: 'stop the program that holds the port ("ss -ltnp" shows it; it may be sm-edge itself), or choose another port',
      };
    case 'EACCES':
      return { reason: 'this user may not use the port', hint: 'choose a port above 1023' };
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        reason: 'the address is not of this machine',
        hint: 'write 127.0.0.1, 0.0.0.0 or an address that "ip address" shows',
      };
    default:
      return { reason: message, hint: 'choose another address or port' };
  }
}
