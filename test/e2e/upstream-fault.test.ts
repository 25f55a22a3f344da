import { afterAll, describe, expect, it } from 'vitest';
import { Daemon, eventually } from '../support/daemon.js';

describe('an upstream that can never work', () => {
  let daemon: Daemon;
  afterAll(() => daemon?.remove());

  it('shows on /health and does not keep the gateway from watching machines', async () => {
    daemon = await Daemon.create(`
sources:
  - id: plant
    type: mqtt
    broker: { embedded: { listen: 127.0.0.1:0 } }
    subscriptions: [ { filter: "plant/{machine}/t", point: "{machine}.temperature", payload: { kind: number, unit: degC } } ]
sync: { mlflow: { trackingUri: "https://127.0.0.1:1", tls: { ca: /nowhere/ca.pem } } }
`);
    await daemon.start();
    const { state, parts } = await eventually('the source is good', async () => {
      const health = await daemon.json<{
        state: string;
        parts: { part: string; state: string; reason: string }[];
      }>('/health');
      return health.parts.some((one) => one.part === 'source plant' && one.state === 'good')
        ? health
        : undefined;
    });
    expect(state).toBe('degraded');
    const sync = parts.find(({ part }) => part === 'sync mlflow');
    expect(sync).toMatchObject({ state: 'failed', reason: expect.stringContaining('/nowhere/ca.pem') });
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});
