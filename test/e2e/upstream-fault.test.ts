import { afterAll, describe, expect, it } from 'vitest';
import { Daemon } from '../support/daemon.js';

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
    const { state, parts } = await daemon.json<{
      state: string;
      parts: { part: string; state: string; reason: string }[];
    }>('/health');
    expect(state).toBe('degraded');
    expect(parts).toContainEqual(expect.objectContaining({ part: 'source plant', state: 'good' }));
    const sync = parts.find(({ part }) => part === 'sync mlflow');
    expect(sync).toMatchObject({ state: 'failed', reason: expect.stringContaining('/nowhere/ca.pem') });
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});
