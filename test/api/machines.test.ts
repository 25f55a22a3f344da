import { afterEach, describe, expect, it } from 'vitest';
import { startGateway } from '../support/gateway.js';

let started: Awaited<ReturnType<typeof startGateway>> | undefined;
afterEach(() => started?.stop());

describe('GET /api/v1/machines', () => {
  it('tells the state and the health of a machine, and keeps its health while it stands still', async () => {
    started = await startGateway({
      machines: [{ id: 'fan-1', states: { point: 'fan-1.shaft.speed', unit: 'rpm', stoppedBelow: 50 } }],
      alarms: [
        { id: 'hot', point: 'fan-1.bearing.temperature', above: 80, countsWhile: { state: 'running' } },
        { id: 'unhealthy', point: 'fan-1.health', below: 0.6 },
      ],
    });
    const { api } = started;
    const endMs = Date.now();
    const at = (secondsAgo: number, speed: number, temperature: number) => {
      const time = endMs - 1000 * secondsAgo;
      return [
        { point: 'fan-1.shaft.speed', unit: 'rpm', value: speed, time },
        { point: 'fan-1.bearing.temperature', unit: 'degC', value: temperature, time },
      ];
    };
    const readings = Array.from({ length: 300 }, (_, i) => {
      const secondsAgo = 300 - i;
      if (secondsAgo < 30) return at(secondsAgo, 0, 95);
      return at(secondsAgo, 1480 + (i % 3), secondsAgo < 120 ? 75 : 50 + 0.1 * (i % 5));
    }).flat();
    const answer = await api.inject({ method: 'POST', url: '/api/v1/data/ingest', payload: readings });
    expect(answer.statusCode).toBe(201);
    const machine = (await api.inject('/api/v1/machines/fan-1')).json();
    expect(machine).toMatchObject({
      id: 'fan-1',
      state: { name: 'stopped', kind: 'stopped', toldBy: ['fan-1.shaft.speed'], known: ['running'] },
      pulls: [{ point: 'fan-1.bearing.temperature' }],
    });
    expect(machine.health).toBeLessThan(0.3);
    // It was last judged before it came to stand still.
    expect(endMs - Date.parse(machine.healthTime)).toBeGreaterThanOrEqual(29_000);
    const { points } = machine as { points: { point: string; unjudged: string | null; value: number }[] };
    expect(points.find(({ point }) => point === 'fan-1.bearing.temperature')).toMatchObject({
      value: 95,
      score: null,
      state: 'stopped',
      unjudged: 'not judged: stopped',
    });
    expect(points.find(({ point }) => point === 'fan-1.health')!.value).toBeLessThan(0.6);
    const alarms = (await api.inject('/api/v1/alarms')).json().alarms as { alarm: string; state: string }[];
    expect(alarms.find(({ alarm }) => alarm === 'unhealthy')?.state).toBe('unacknowledged');
    // 95 degrees of a machine that stands still count for nothing here.
    expect(alarms.find(({ alarm }) => alarm === 'hot')?.state ?? 'suppressed').toBe('suppressed');
    expect((await api.inject('/api/v1/machines')).json().machines).toHaveLength(1);
    expect((await api.inject('/api/v1/machines/none')).statusCode).toBe(404);
    expect((await api.inject('/metrics')).body).toContain('sm_edge_machine_health{machine="fan-1"}');
  });
});
