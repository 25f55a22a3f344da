// Starts the daemon as a user would, on a config and a data folder of its own, and ends it again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PROGRAM = resolve(import.meta.dirname, '../../bin/sm-edge.js');
const READY_DEADLINE_MS = 20_000;

/** A port of the loopback interface that is free now. */
export async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** @param configOf gives the YAML text, from { dataDir, httpPort } */
export async function startDaemon(configOf) {
  const folder = mkdtempSync(join(tmpdir(), 'sm-edge-bench-'));
  const httpPort = await freePort();
  const config = join(folder, 'gateway.yaml');
  writeFileSync(config, configOf({ dataDir: join(folder, 'data'), httpPort }));
  const startedMs = performance.now();
  const child = spawn(PROGRAM, ['run', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (text) => {
    log = `${log}${text}`.slice(-20_000);
  });
  const base = `http://127.0.0.1:${httpPort}`;
  while ((await fetch(`${base}/health/ready`).catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null || performance.now() - startedMs > READY_DEADLINE_MS) {
      child.kill('SIGKILL');
      throw new Error(`the daemon did not become ready:\n${log}`);
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  const readyMs = performance.now() - startedMs;
  return {
    pid: child.pid,
    base,
    readyMs,
    /** Resident memory now and at its highest, MB (10^6 bytes). */
    memory() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const kib = (key) => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]);
      return { residentMb: (kib('VmRSS') * 1024) / 1e6, highestMb: (kib('VmHWM') * 1024) / 1e6 };
    },
    /** CPU time used so far, all threads, seconds. */
    cpuS() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    async stop() {
      const stoppingMs = performance.now();
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
      return { exitCode: child.exitCode, stopMs: performance.now() - stoppingMs, log };
    },
  };
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
