import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SmEdgeError } from '../base/errors.js';
import type { RouteGroup } from './server.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;

/**
 * A request of a program on this machine. A proxy on this machine speaks for somebody else; so does a web page in a
 * browser here: the browser adds `Origin`, or asks for a host name of the page's own (DNS rebinding).
 */
const isLocal = ({ ip, headers }: FastifyRequest): boolean =>
  LOOPBACK.test(ip) &&
  PROXY_HEADERS.every((name) => headers[name] === undefined) &&
  headers.origin === undefined &&
  isLocalName((headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));

const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

const isLocalName = (host: string): boolean => host === 'localhost' || LOOPBACK.test(host);

/**
 * Guards everything under /api/: where keys are declared, each request needs one in `X-API-Key`; where none are, only
 * programs on this machine get in.
 */
export function access(keys: readonly string[]): RouteGroup {
  const digests = keys.map(digest);
  const allowed = (request: FastifyRequest): boolean => {
    if (digests.length === 0) return isLocal(request);
    const given = request.headers['x-api-key'];
    if (typeof given !== 'string') return false;
    const offered = digest(given);
    // Every key is compared, so that the time tells nothing of which one is near.
    return digests.map((known) => timingSafeEqual(known, offered)).includes(true);
  };
  return (app: FastifyInstance) => {
    app.addHook('onRequest', async (request) => {
      if (!request.url.startsWith('/api/') || allowed(request)) return;
      throw new SmEdgeError('KEY_REQUIRED', 'this needs a key in the header X-API-Key', {
        hint:
          digests.length === 0
            ? 'no keys are declared, so only programs on the gateway itself get in: declare http.keys'
            : 'the keys stand under http.keys in the config of the gateway',
      });
    });
  };
}
