import type { Metrics } from '../../base/metrics.js';

/** The counters of one serial source. */
export function serialMetrics(metrics: Metrics, source: string) {
  const counter = (name: string, help: string) => {
    const one = metrics.counter(`sm_edge_serial_${name}_total`, help, ['source']);
    return (by = 1) => {
      if (by > 0) one.inc({ source }, by);
    };
  };
  const unusable = metrics.counter(
    'sm_edge_serial_unusable_frames_total',
    'Frames that could not be used: check value, length, encoding, unmatched, payload',
    ['source', 'reason'],
  );
  return {
    bytes: counter('received_bytes', 'Bytes from the line'),
    frames: counter('frames', 'Frames from the line that were decoded'),
    garbage: counter('garbage_bytes', 'Bytes from the line that belong to no frame'),
    lostFrames: counter('lost_frames', 'Frames that the counter of the device shows to be missing'),
    gaps: counter('gaps', 'Interruptions of a continuous signal'),
    connections: counter('connections', 'Lines opened'),
    losses: counter('connection_losses', 'Lines lost, and attempts to open one that failed'),
    unusable: (reason: string, by = 1) => {
      if (by > 0) unusable.inc({ source, reason }, by);
    },
  };
}

export type SerialMetrics = ReturnType<typeof serialMetrics>;
