import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Collects the garbage, and runs what waited for it: what is measured before and after is then what is held, not what
 * the engine has not looked at yet.
 */
export async function collectGarbage(): Promise<void> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  for (let round = 0; round < 2; round++) {
    collect();
    // Finalisers run between turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
