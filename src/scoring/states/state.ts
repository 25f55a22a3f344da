/**
 * What a machine is doing. `stopped`: it stands still or idles below its threshold. `run-up`, `run-down`: speed or load
 * changes faster than it may when steady, or has not yet held for the dwell time. `steady`: it runs in one of its bins.
 * `unseen`: it runs steadily where no bin is. `unknown`: the point that tells the state is silent.
 */
export type StateKind = 'steady' | 'stopped' | 'run-up' | 'run-down' | 'unseen' | 'unknown';

export interface OperatingState {
  readonly kind: StateKind;
  /** Of a steady state the name of its bin, such as `running` or `full-load`; else the kind. */
  readonly name: string;
}

/** The only state of a machine of which no others are declared or found. */
export const RUNNING: OperatingState = { kind: 'steady', name: 'running' };
export const STOPPED: OperatingState = { kind: 'stopped', name: 'stopped' };
export const RUN_UP: OperatingState = { kind: 'run-up', name: 'run-up' };
export const RUN_DOWN: OperatingState = { kind: 'run-down', name: 'run-down' };
export const UNSEEN: OperatingState = { kind: 'unseen', name: 'unseen' };
export const UNKNOWN: OperatingState = { kind: 'unknown', name: 'unknown' };

/** Names that no bin may have. */
export const RESERVED_NAMES: readonly string[] = ['stopped', 'run-up', 'run-down', 'unseen', 'unknown'];

/** The state of a name: one of the gateway's own, else a steady one. */
export function stateNamed(name: string): OperatingState {
  return (
    [STOPPED, RUN_UP, RUN_DOWN, UNSEEN, UNKNOWN].find((state) => state.name === name) ?? {
      kind: 'steady',
      name,
    }
  );
}

/** Whether what a machine shows in a state is compared with what is usual. */
export const isJudged = ({ kind }: OperatingState): boolean => kind === 'steady' || kind === 'unknown';

/** Whether what a machine shows in a state is learned as usual: never while it is not certain which state it is. */
export const teaches = ({ kind }: OperatingState): boolean => kind === 'steady';

export const isTransient = ({ kind }: OperatingState): boolean => kind === 'run-up' || kind === 'run-down';

/** The state of a machine with two measures, such as speed and load: the one that least may be judged by decides. */
export function joinStates(states: readonly OperatingState[]): OperatingState {
  const [first = RUNNING] = states;
  for (const kind of ['stopped', 'unknown', 'run-down', 'run-up', 'unseen'] as const) {
    const found = states.find((state) => state.kind === kind);
    if (found !== undefined) return found;
  }
  if (states.length <= 1) return first;
  return { kind: 'steady', name: states.map(({ name }) => name).join('/') };
}

export const sameState = (a: OperatingState | undefined, b: OperatingState | undefined): boolean =>
  a?.kind === b?.kind && a?.name === b?.name;
