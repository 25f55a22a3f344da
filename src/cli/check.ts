import { createServer } from 'node:net';
import type { KeyPath } from '../config/document.js';
import { ConfigError, type ConfigFault, faultAt } from '../config/faults.js';
import { checkFolder } from '../config/folders.js';
import { type LoadedConfig, loadConfig } from '../config/load.js';
import type { RegisterVerb } from './context.js';
import { EXIT, reportFailure, write } from './output.js';

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
        await write(
          context.out,
          options.json
            ? `${JSON.stringify({ ok: true, file: options.config, faults: [] })}\n`
            : `${options.config}: good (${config.sources.length} sources, ${config.machines.length} machines, ${config.alarms.length} alarms)\n`,
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
  const listeners: { path: KeyPath; host: string; port: number }[] = [
    { path: ['http', 'listen'], ...config.http.listen },
  ];
  for (const [index, source] of config.sources.entries()) {
    if (source.type !== 'mqtt' || !('embedded' in source.broker)) continue;
    const { listen } = source.broker.embedded;
    const colon = listen.lastIndexOf(':');
    listeners.push({
      path: ['sources', index, 'broker'],
      host: listen.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(listen.slice(colon + 1)),
    });
  }
  const seen = new Map<number, KeyPath>();
  for (const { path, host, port } of listeners) {
    if (port === 0) continue;
    if (seen.has(port)) {
      faults.push(
        faultAt(document, path, `port ${port} is used twice in this config`, 'give each its own port'),
      );
      continue;
    }
    seen.set(port, path);
    const fault = await bindFault(host, port);
    if (fault !== undefined) {
      faults.push(
        faultAt(
          document,
          path,
          `cannot listen on ${host}:${port}: ${fault}`,
          'stop the program that holds the port ("ss -ltnp" shows it; it may be sm-edge itself), or choose another port',
        ),
      );
    }
  }
  return faults;
}

/** Tries to bind for a moment; gives the reason where it cannot. */
function bindFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'the port is taken' : error.message),
    );
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
