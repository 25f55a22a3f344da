import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Clock } from './clock.js';

/** systemd-timesyncd makes the folder when it starts and the file at its first answer from a time server. */
const TIMESYNC_FOLDER = '/run/systemd/timesync';
const SYNCHRONISED_FILE = `${TIMESYNC_FOLDER}/synchronized`;
/** How often it is looked, milliseconds. */
const INTERVAL_MS = 10_000;

/** Does the system say that its clock follows a time server? True where it says nothing (chrony, a container). */
export function systemTimeWatch(clock: Pick<Clock, 'monotonicMs'>): () => boolean {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let synchronised = true;
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lookedMs >= INTERVAL_MS) {
      lookedMs = nowMs;
      synchronised = !existsSync(TIMESYNC_FOLDER) || existsSync(SYNCHRONISED_FILE);
    }
    return synchronised;
  };
}

/** Does the system say that its clock follows a time server? False where it says nothing. */
export const saysSynchronised = (): Promise<boolean> =>
  access(SYNCHRONISED_FILE).then(
    () => true,
    () => false,
  );
