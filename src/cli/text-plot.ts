export interface PlotSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * A waveform as text: each column shows how far its samples reach, so that no peak is lost, however many samples
 * there are. The scale stands at the left, the time below.
 */
export function textPlot(
  samples: ArrayLike<number>,
  sampleRateHz: number,
  unit: string,
  { columns, rows }: PlotSize,
): string {
  if (samples.length === 0) return '(no signal)';
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < samples.length; i++) {
    low = Math.min(low, samples[i]!);
    high = Math.max(high, samples[i]!);
  }
  // A signal that stands still is a line in the middle.
  const margin = high > low ? 0 : Math.max(Math.abs(high) * 0.1, 1e-9);
  const bottom = low - margin;
  const span = high + margin - bottom;
  const labels = Array.from({ length: rows }, (_, row) =>
    number(bottom + (span * (rows - 1 - row)) / (rows - 1)),
  );
  const labelWidth = Math.max(...labels.map(({ length }) => length));
  const width = Math.max(8, Math.min(columns - labelWidth - 2, samples.length));
  const rowOf = (value: number) => Math.round(((value - bottom) / span) * (rows - 1));
  const grid = Array.from({ length: rows }, () => new Array<string>(width).fill(' '));
  for (let column = 0; column < width; column++) {
    const from = Math.floor((column * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples.length) / width));
    let [least, most] = [samples[from]!, samples[from]!];
    for (let i = from + 1; i < to; i++) {
      least = Math.min(least, samples[i]!);
      most = Math.max(most, samples[i]!);
    }
    for (let row = rowOf(least); row <= rowOf(most); row++)
      grid[rows - 1 - row]![column] = least === most ? '-' : '|';
  }
  const lines = grid.map((cells, row) =>
    `${labels[row]!.padStart(labelWidth)} ${row === 0 || row === rows - 1 ? '+' : ' '}${cells.join('')}`.trimEnd(),
  );
  const endMs = number((samples.length * 1000) / sampleRateHz);
  const axis = `0 ${'.'.repeat(Math.max(1, width - endMs.length - 6))} ${endMs} ms`;
  return [...lines, `${unit.padStart(labelWidth)}  ${axis}`].join('\n');
}

const number = (value: number): string => {
  const text = String(Number(value.toPrecision(3)));
  return text === '-0' ? '0' : text;
};
