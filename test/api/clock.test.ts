import { afterEach, describe, expect, it } from 'vitest';
import { Daemon, smEdge } from '../support/daemon.js';

describe('sm-edge clock', () => {
  let daemon: Daemon | undefined;

  afterEach(async () => {
    await daemon?.remove();
  });

  it('shows what age is measured from, and takes the word of a person', async () => {
    daemon = await Daemon.create('');
    await daemon.start();
    const shown = await smEdge(['clock', 'show', '--config', daemon.config, '--json']);
    expect(shown.code, shown.stderr).toBe(0);
    const answer = JSON.parse(shown.stdout) as {
      synchronised: boolean | null;
      synchronisedSays: string | null;
    };
    expect(answer).toMatchObject({ doubtedS: 0, catchingUp: false });
    expect([true, false, null]).toContain(answer.synchronised);
    expect(answer.synchronisedSays === null).toBe(answer.synchronised === null);
    const confirmed = await smEdge(['clock', 'confirm', '--by', 'kim', '--config', daemon.config]);
    expect(confirmed.stdout).toContain('the clock is believed');
    expect(confirmed.stdout).toMatch(/^(the clock follows|nothing here tells)/m);
    expect((await fetch(`${daemon.base}/api/v1/clock/confirm`, { method: 'POST' })).status).toBe(400);
  });
});
