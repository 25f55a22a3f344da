import type { FastifyInstance } from 'fastify';
import { systemClock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Gateway } from '../gateway.js';
import { access } from './access.js';
import { alarmRoutes } from './alarms.js';
import { captureRoutes } from './captures.js';
import { caseRoutes } from './cases.js';
import { clockRoutes } from './clock.js';
import { commissioningRoutes } from './commissioning.js';
import { eventRoutes } from './events.js';
import { ingestRoutes } from './ingest.js';
import { liveRoutes } from './live.js';
import { machineRoutes } from './machines.js';
import { pointRoutes } from './points.js';
import { createApi } from './server.js';
import { writeRoutes } from './writes.js';

/** The whole HTTP interface of a gateway: a group of routes is one file here and one line below. */
export const createGatewayApi = (
  gateway: Gateway,
  options: { readonly logger: Logger; readonly keys: readonly string[] },
): FastifyInstance =>
  createApi({
    logger: options.logger,
    metrics: gateway.metrics,
    health: () => gateway.health(),
    ready: () => gateway.ready,
    routes: [
      access(options.keys),
      ingestRoutes(gateway),
      alarmRoutes(gateway),
      eventRoutes(gateway),
      clockRoutes(gateway),
      commissioningRoutes(gateway),
      caseRoutes(gateway),
      captureRoutes(gateway),
      pointRoutes(gateway),
      machineRoutes(gateway),
      liveRoutes({
        clock: systemClock,
        board: gateway.board,
        snapshot: () => gateway.snapshot(),
        health: () => gateway.health(),
      }),
      writeRoutes(gateway),
    ],
  });
