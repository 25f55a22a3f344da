import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const FIRST = 10_000;
/** Test files run beside each other in processes of their own: each process has every sixteenth port. */
const LANES = 16;

const USUAL_END = 32_768;

/** First port that the kernel gives by itself, to who connects or listens on port 0. */
function firstOfKernel(): number {
  try {
    const first = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
    return first >= FIRST + 1000 ? first : USUAL_END;
  } catch {
    return USUAL_END;
  }
}

let next: number | undefined;

/**
 * A port of the loopback on which nobody listens, for who can only be told a port: other tests, whose servers listen
 * on port 0, are never given it before it is used.
 */
export async function freePort(): Promise<number> {
  const rounds = Math.floor((firstOfKernel() - FIRST) / LANES);
  const lane = Number(process.env.VITEST_POOL_ID ?? process.pid) % LANES;
  next ??= Math.floor(Math.random() * rounds);
  for (let tries = 0; tries < rounds; tries++) {
    const port = FIRST + LANES * (next++ % rounds) + lane;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free from ${FIRST} up`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
