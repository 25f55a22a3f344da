import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Why a folder cannot be used for data (one sentence), or undefined where it can. It need not exist yet. */
export function checkFolder(path: string): string | undefined {
  let nearest = resolve(path);
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  if (!statSync(nearest).isDirectory()) return `${nearest} is a file, not a folder`;
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    return `${nearest} cannot be written by this user`;
  }
}
