import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { optionalPeer, requirePeer } from './require.js';

const INSTALL = 'scripts/test-servers.sh';

/** Folder of the virtual environment with the Python peers. */
export const venvFolder = process.env.SM_EDGE_TEST_VENV ?? path.join(homedir(), '.cache', 'sm-edge', 'venv');

export const venvPython = path.join(venvFolder, 'bin', 'python');

/** The Python of an environment of its own with PyTorch, which is some gigabytes: made by scripts/test-torch.sh. */
export const torchPython = path.join(
  process.env.SM_EDGE_TORCH_VENV ?? path.join(homedir(), '.cache', 'sm-edge', 'venv-torch'),
  'bin',
  'python',
);

/** Are these Python modules in the virtual environment? (Found, not imported: quick.) Skips or fails by `requirePeer`. */
export const requirePython = (...modules: string[]): boolean =>
  requirePeer(`Python with ${modules.join(', ')}`, hasModules(venvPython, modules), INSTALL);

/** Is PyTorch there? It may be missing anywhere, CI included. */
export const optionalTorch = (): boolean =>
  optionalPeer(
    'PyTorch',
    hasModules(torchPython, ['torch', 'onnxscript', 'librosa']),
    'scripts/test-torch.sh',
  );

function hasModules(python: string, modules: readonly string[]): boolean {
  const find = `import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(m) for m in sys.argv[1:]))`;
  return existsSync(python) && spawnSync(python, ['-c', find, ...modules]).status === 0;
}

/** Runs a Python script of the peers and gives its standard output; a failure carries its standard error. */
export async function runPython(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number; python?: string } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(options.python ?? venvPython, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    timeout: options.timeoutMs ?? 180_000,
    maxBuffer: 64 * 2 ** 20,
  });
  return stdout;
}
