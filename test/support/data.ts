import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { optionalPeer } from './require.js';

/** Real recordings that cannot be redistributed: beside the repository, or where SM_EDGE_DATA says. */
export const dataFolder =
  process.env.SM_EDGE_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));

/** The folder of a recording set of real machines, or undefined (and the reason printed) where it is missing. */
export function realRecordings(name: string): string | undefined {
  const folder = path.join(dataFolder, name);
  const available = existsSync(path.join(folder, 'manifest.json'));
  return optionalPeer(`the recording set ${name}`, available, 'set SM_EDGE_DATA to a folder that has it')
    ? folder
    : undefined;
}
