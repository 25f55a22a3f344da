import { existsSync } from 'node:fs';
import path from 'node:path';

/** Debian keeps daemons in /usr/sbin, which is not on everybody's PATH. */
const FOLDERS = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];

/** Where a program is, or undefined. */
export const findProgram = (name: string): string | undefined =>
  FOLDERS.map((folder) => path.join(folder, name)).find((file) => existsSync(file));

export const onPath = (name: string): boolean => findProgram(name) !== undefined;

const told = new Set<string>();

/**
 * Is a server, a tool or a library that a test talks to here? Where it is missing, a developer's run skips the
 * test and prints the reason; in CI (`CI=true`) that is a failure, so that no test is skipped for ever unseen.
 *
 *     const hasMosquitto = requirePeer('mosquitto', onPath('mosquitto'), 'scripts/test-servers.sh');
 *     describe.skipIf(!hasMosquitto)('…', () => …);
 */
export function requirePeer(name: string, available: boolean, howToInstall: string): boolean {
  if (available) return true;
  const reason = `${name} is missing; to get it: ${howToInstall}`;
  if (process.env.CI === 'true') throw new Error(reason);
  tell(`skipped: ${reason}`);
  return false;
}

/** As `requirePeer`, for what may be missing anywhere, CI included: recordings that cannot be redistributed. */
export function optionalPeer(name: string, available: boolean, howToGet: string): boolean {
  if (!available) tell(`skipped: ${name} is missing; to get it: ${howToGet}`);
  return available;
}

function tell(line: string): void {
  if (told.has(line)) return;
  told.add(line);
  process.stderr.write(`${line}\n`);
}
