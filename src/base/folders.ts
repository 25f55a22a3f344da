import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those above it that are missing. Node's `recursive` goes round for ever where the system says
 * ENOENT of a folder whose parent is there, as /proc does and a mount whose server is gone may.
 * @throws what the system says
 */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let folder = resolve(path); !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, { mode });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    }
  }
  // A file of this name: said as mkdir says it.
  if (!statSync(path).isDirectory()) mkdirSync(path);
}
