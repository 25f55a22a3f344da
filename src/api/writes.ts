import { z } from 'zod';
import type { WriteCommand, WriteResult } from '../pipeline/desks/point-writes.js';
import { line, parseRequest } from './request.js';
import type { RouteGroup } from './server.js';

export interface WriteTarget {
  /** Resolves once the value was written, read back and journaled. */
  writePoint(command: WriteCommand): Promise<WriteResult>;
}

const params = z.strictObject({ point: z.string().min(1).max(200) });
/** A gateway has no accounts: who it is, is the name that was given. */
const body = z.strictObject({ value: z.number(), by: line(64), note: line(500).exactOptional() });

/** `POST /api/v1/points/{point}/write`: sets a point that is declared writable, in its unit. */
export const writeRoutes =
  (gateway: WriteTarget): RouteGroup =>
  (app) => {
    app.post('/api/v1/points/:point/write', async (request) => {
      const { point } = parseRequest(params, request.params);
      return gateway.writePoint({ point, ...parseRequest(body, request.body) });
    });
  };
