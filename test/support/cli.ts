import { PassThrough } from 'node:stream';
import { main } from '#sm/cli/main.js';

/** Runs a command as the shell does, in this process. */
export async function sm(
  ...argv: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const [written, complained]: [Buffer[], Buffer[]] = [[], []];
  out.on('data', (chunk: Buffer) => written.push(chunk));
  err.on('data', (chunk: Buffer) => complained.push(chunk));
  const code = await main(['node', 'sm-edge', ...argv], {}, { out, err });
  return { code, out: Buffer.concat(written).toString(), err: Buffer.concat(complained).toString() };
}
