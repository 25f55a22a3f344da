/** How well scores tell anomalous from normal. */

export interface Confusion {
  readonly tp: number;
  readonly fp: number;
  readonly tn: number;
  readonly fn: number;
}

/** Rates of a confusion; null where nothing of the kind was there to be right or wrong about. */
export interface Rates {
  readonly f1: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  /** Share of what is normal that was called anomalous. */
  readonly falseAlarmRate: number | null;
  /** Share of what is anomalous that was called normal. */
  readonly missedAlarmRate: number | null;
}

const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);

export function ratesOf({ tp, fp, tn, fn }: Confusion): Rates {
  return {
    f1: ratio(2 * tp, 2 * tp + fp + fn),
    precision: ratio(tp, tp + fp),
    recall: ratio(tp, tp + fn),
    falseAlarmRate: ratio(fp, fp + tn),
    missedAlarmRate: ratio(fn, fn + tp),
  };
}

/** One thing that was judged and of which the truth is known. */
export interface Judged {
  readonly score: number;
  readonly anomalous: boolean;
  readonly truth: boolean;
}

export function confusionOf(judged: Iterable<Judged>): Confusion {
  let tp = 0;
  let fp = 0;
  let tn = 0;
  let fn = 0;
  for (const { anomalous, truth } of judged) {
    if (truth) anomalous ? tp++ : fn++;
    else anomalous ? fp++ : tn++;
  }
  return { tp, fp, tn, fn };
}

/**
 * Area under the receiver operating characteristic: the chance that an anomalous one scores above a normal one, ties
 * counted half (Mann-Whitney). Null where one of the two kinds is missing.
 */
export function rocAucOf(
  judged: readonly { readonly score: number; readonly truth: boolean }[],
): number | null {
  const sorted = [...judged].sort((a, b) => a.score - b.score);
  let positives = 0;
  let rankSum = 0;
  for (let from = 0; from < sorted.length; ) {
    // A score that is no number equals not even itself.
    let to = from + 1;
    while (to < sorted.length && sorted[to]!.score === sorted[from]!.score) to++;
    const meanRank = (from + 1 + to) / 2;
    for (let i = from; i < to; i++) {
      if (!sorted[i]!.truth) continue;
      positives++;
      rankSum += meanRank;
    }
    from = to;
  }
  const negatives = sorted.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
