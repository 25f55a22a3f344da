import type { Metrics } from '../../base/metrics.js';

const PER_UNIT = {
  requests: ['sm_edge_modbus_requests_total', 'Requests sent'],
  timeouts: ['sm_edge_modbus_timeouts_total', 'Requests without an answer in time'],
  exceptions: ['sm_edge_modbus_exceptions_total', 'Exceptions answered'],
  waveforms: ['sm_edge_modbus_waveforms_total', 'Waveforms fetched'],
  waveform_faults: ['sm_edge_modbus_waveform_faults_total', 'Waveforms not to be had'],
  fifo_samples: ['sm_edge_modbus_fifo_samples_total', 'Samples read from queues'],
  fifo_losses: [
    'sm_edge_modbus_fifo_losses_total',
    'Times that a queue had overflowed, or that an answer with samples was lost',
  ],
  writes: ['sm_edge_modbus_writes_total', 'Values written on command'],
} as const;

export type Counted = keyof typeof PER_UNIT | 'overruns';

/** Counts what happens with one poll group. */
export function unitCounters(
  metrics: Metrics,
  source: string,
  unitId: number,
  interval: string,
): (what: Counted, times?: number) => void {
  const labels = { source, unit: String(unitId) };
  const counters = Object.fromEntries(
    Object.entries(PER_UNIT).map(([what, [name, help]]) => [
      what,
      metrics.counter(name, help, ['source', 'unit']),
    ]),
  );
  const overruns = metrics.counter(
    'sm_edge_modbus_overruns_total',
    'Polls left out since the one before was not done, by poll group',
    ['source', 'unit', 'interval'],
  );
  return (what, times = 1) => {
    if (what === 'overruns') overruns.inc({ ...labels, interval }, times);
    else counters[what]!.inc(labels, times);
  };
}

/** Shows the texts of points of type string: a gauge that is 1, with the text as a label. */
export function textGauge(metrics: Metrics, source: string): (point: string, text: string) => void {
  const gauge = metrics.gauge('sm_edge_modbus_text_info', '1; the label text is what the device says', [
    'source',
    'point',
    'text',
  ]);
  const shown = new Map<string, string>();
  return (point, text) => {
    const last = shown.get(point);
    if (last === text) return;
    if (last !== undefined) gauge.remove({ source, point, text: last });
    shown.set(point, text);
    gauge.set({ source, point, text }, 1);
  };
}
