import { SmEdgeError } from '../base/errors.js';
import { makeFolder } from '../base/folders.js';

/** Makes the folder that a backup or an export is to go to. @throws SmEdgeError with `code` */
export function makeTargetFolder(folder: string, code: string): void {
  try {
    makeFolder(folder, 0o750);
  } catch (cause) {
    throw new SmEdgeError(code, `${folder} cannot be made: ${(cause as Error).message}`, {
      cause,
      hint: 'is the medium mounted ("df"), and may this user write to it? Or name another folder with --to',
    });
  }
}
