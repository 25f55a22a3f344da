/** What is wrong with a machine, as far as its vibration tells. */
export type Fault =
  | 'normal'
  | 'outer'
  | 'inner'
  | 'ball'
  | 'cage'
  | 'unbalance'
  | 'misalignment'
  | 'looseness'
  | 'gear'
  | 'unknown';

/** One fact that speaks for the verdict. */
export interface Evidence {
  /** `bpfo`, `order.1x`, `kurtosis` …; a harmonic as `2xbpfo`. */
  readonly feature: string;
  /** Where it stands in the spectrum; 0 for a feature without a frequency. */
  readonly frequencyHz: number;
  /** The same in turns of the shaft; 0 where the speed is unknown. */
  readonly orders: number;
  readonly value: number;
  /** Value over what is to be expected of a healthy machine or of the floor around it. */
  readonly ratio: number;
}

export interface Diagnosis {
  readonly fault: Fault;
  /** 0 to 1. */
  readonly confidence: number;
  readonly evidence: readonly Evidence[];
  /** Speed that the signal itself tells, revolutions per minute; only where its lines name one speed and no other. */
  readonly speedRpm?: number;
  /** One sentence for the technician. */
  readonly sentence: string;
}
