import { createGatewayApi } from '../api/gateway-api.js';
import { listen } from '../api/server.js';
import { systemClock } from '../base/clock.js';
import { toErrorRecord } from '../base/errors.js';
import { createLogger } from '../base/logger.js';
import { systemRandom } from '../base/random.js';
import { loadConfig } from '../config/load.js';
import { Gateway } from '../gateway.js';
import type { RegisterVerb } from './context.js';
import { writeAddress } from './daemon-client.js';
import { EXIT, reportFailure } from './output.js';
import { untilSignal } from './signals.js';

/** `sm-edge run`: the daemon. SIGTERM drains and ends with 0, SIGHUP reloads what changed in the config. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('run')
    .description('the daemon')
    .requiredOption('--config <file>', 'the config')
    .option('--json', 'failures as one JSON document on stdout')
    .action(async (options: { config: string; json?: boolean }) => {
      try {
        await run(options.config);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function run(file: string): Promise<void> {
    const { config, hash } = loadConfig(file, context.env);
    const logger = createLogger(config.log.level, { gateway: config.gateway.id });
    const clock = systemClock;
    const stop = untilSignal(clock);
    const gateway = new Gateway({ config, configHash: hash, clock, random: systemRandom, logger });
    const api = createGatewayApi(gateway, { logger: logger.child({ part: 'http' }), keys: config.http.keys });
    const reload = () => {
      try {
        const next = loadConfig(file, context.env);
        gateway.reload(next.config, next.hash).catch((thrown) => {
          logger.error({ error: toErrorRecord(thrown) }, 'reload failed; the old config stays');
        });
      } catch (thrown) {
        logger.error({ error: toErrorRecord(thrown) }, 'the new config is wrong; the old one stays');
      }
    };
    process.on('SIGHUP', reload);
    try {
      const port = await listen(api, config.http.listen);
      logger.info({ host: config.http.listen.host, port }, 'listening for HTTP');
      await gateway.start();
      if (config.http.listen.port === 0) writeAddress(config.storage.path, config.http.listen, port);
      await stop.done;
      logger.info('stopping: draining what is under way');
    } finally {
      process.off('SIGHUP', reload);
      stop.dispose();
      await gateway.stop();
      await api.close();
      logger.info('stopped');
    }
  }
};
