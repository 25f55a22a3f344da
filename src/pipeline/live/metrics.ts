import type { Metrics } from '../../base/metrics.js';
import type { Reading } from '../../signals/reading.js';

export type LiveMetrics = ReturnType<typeof liveMetrics>;

/** What the live pipeline counts. */
export function liveMetrics(metrics: Metrics) {
  const gauges = {
    bytes: metrics.gauge('sm_edge_rings_bytes', 'Memory of all ring buffers.'),
    refused: metrics.gauge('sm_edge_rings_refused', 'Ring buffers that the memory did not suffice for.'),
    overruns: metrics.gauge('sm_edge_rings_overruns', 'Windows that were overwritten before they were read.'),
  };
  const counters = {
    readings: metrics.counter('sm_edge_pipeline_readings_total', 'Readings taken in, by quality.', [
      'quality',
    ]),
    blocks: metrics.counter('sm_edge_pipeline_blocks_total', 'Sample blocks taken in.'),
    samples: metrics.counter('sm_edge_pipeline_samples_total', 'Samples taken in.'),
    gaps: metrics.counter(
      'sm_edge_pipeline_gaps_total',
      'Breaks in waveforms: lost blocks, pauses, bad blocks.',
    ),
    windows: metrics.counter('sm_edge_pipeline_windows_total', 'Windows analysed.'),
    skipped: metrics.counter(
      'sm_edge_pipeline_windows_skipped_total',
      'Windows left out because the analysis was behind, or the point was one too many.',
    ),
    failed: metrics.counter('sm_edge_pipeline_windows_failed_total', 'Windows that could not be analysed.', [
      'code',
    ]),
    unsaved: metrics.counter(
      'sm_edge_pipeline_unsaved_total',
      'Batches that nobody had to be told about and that the store did not take.',
      ['code'],
    ),
  };
  return { gauges, counters };
}

/** Counts a batch at once: the label of a counter costs more than the reading. */
export function countReadings(
  { readings: counter }: LiveMetrics['counters'],
  readings: readonly Reading[],
): void {
  const counts = { good: 0, uncertain: 0, bad: 0 };
  for (const { quality } of readings) counts[quality]++;
  for (const [quality, count] of Object.entries(counts)) if (count > 0) counter.inc({ quality }, count);
}
