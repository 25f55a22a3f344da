import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { requirePeer } from './require.js';

const INSTALL = 'scripts/test-servers.sh';

/** Folder of the virtual environment with the Python peers. */
export const venvFolder = process.env.SM_EDGE_TEST_VENV ?? path.join(homedir(), '.cache', 'sm-edge', 'venv');

export const venvPython = path.join(venvFolder, 'bin', 'python');

/** Are these Python modules in the virtual environment? (Found, not imported: quick.) Skips or fails by `requirePeer`. */
export function requirePython(...modules: string[]): boolean {
  const find = `import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(m) for m in sys.argv[1:]))`;
  const available = existsSync(venvPython) && spawnSync(venvPython, ['-c', find, ...modules]).status === 0;
  return requirePeer(`Python with ${modules.join(', ')}`, available, INSTALL);
}

/** Runs a Python script of the peers and gives its standard output; a failure carries its standard error. */
export async function runPython(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(venvPython, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    timeout: options.timeoutMs ?? 60_000,
    maxBuffer: 64 * 2 ** 20,
  });
  return stdout;
}
