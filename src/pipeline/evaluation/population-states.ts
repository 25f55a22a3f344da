import { type OperatingState, UNKNOWN } from '../../scoring/states/state.js';
import { knownOf, type RecordedStates, type StateStory } from '../recordings/recorded-states.js';
import { isNormal } from './fit-rule.js';
import type { EvaluationPart, JudgedInState, RecordingResult } from './result.js';
import { type Sight, type WindowsOfRecording, withoutWindows } from './sight.js';

type StatesOf<R> = ReadonlyMap<R, readonly OperatingState[]>;

/**
 * The operating state of each window of each recording; undefined where no state is known of any. Dated recordings are one
 * story, in which the state goes on from one to the next; the others are told by themselves.
 */
export function statesOfSights<R extends WindowsOfRecording>(
  sights: readonly R[],
  isLearned: (sight: R) => boolean,
  recorded: RecordedStates,
): StatesOf<R> | undefined {
  const dated = sights
    .filter(({ story }) => story.isDated && story.spans.length > 0)
    .sort((a, b) => a.story.spans[0]!.fromMs - b.story.spans[0]!.fromMs);
  const known = recorded.find([joint(dated.filter(isLearned))]);
  const together = knownOf(recorded.over(joint(dated), known));
  const states = new Map<R, readonly (OperatingState | undefined)[]>();
  let from = 0;
  for (const sight of dated) {
    const { length } = sight.windows;
    states.set(sight, together?.slice(from, from + length) ?? recorded.over(sight.story, known));
    from += length;
  }
  for (const sight of sights) if (!states.has(sight)) states.set(sight, recorded.over(sight.story, known));
  if (knownOf([...states.values()].flat()) === undefined) return undefined;
  return new Map([...states].map(([sight, of]) => [sight, of.map((state) => state ?? UNKNOWN)]));
}

const joint = (sights: readonly WindowsOfRecording[]): StateStory => ({
  spans: sights.flatMap(({ story }) => story.spans),
  isDated: true,
});

/**
 * Each state judged by itself; of a recording that shows several the worst one counts. One that shows none that is judged is
 * told so, and counts as not anomalous, as on a gateway.
 * @param judgeState recordings with their windows in one state
 */
export function worstOfStates(
  sights: readonly Sight[],
  states: StatesOf<Sight>,
  isLearned: (sight: Sight) => boolean,
  judgeState: (sights: readonly Sight[]) => EvaluationPart,
): EvaluationPart {
  const learned = new Map<string, number>();
  const results = new Map<Sight, RecordingResult>();
  for (const state of steadyNames(states)) {
    const own = sights.flatMap((sight) => {
      const windows = sight.windows.filter((_, i) => {
        const { kind, name } = states.get(sight)![i]!;
        return kind === 'steady' && name === state;
      });
      return windows.length === 0
        ? []
        : [{ sight, inState: { ...sight, windows, group: `${sight.group}, ${state}` } }];
    });
    const rows = own.filter(({ sight }) => isLearned(sight)).map(({ inState }) => inState.windows.length);
    learned.set(
      state,
      rows.reduce((sum, count) => sum + count, 0),
    );
    const { perRecording } = judgeState(own.map(({ inState }) => inState));
    const asked = own.filter(({ sight }) => !sight.borrowed);
    asked.forEach(({ sight }, i) => {
      const result = { ...perRecording[i]!, state };
      const before = results.get(sight);
      if (before === undefined || (result.score ?? -1) > (before.score ?? -1)) results.set(sight, result);
    });
  }
  const perRecording = sights
    .filter(({ borrowed }) => !borrowed)
    .map((sight) => results.get(sight) ?? notJudged(sight, states.get(sight)!));
  return {
    judged: perRecording.flatMap(judgedIn),
    detections: [],
    learned,
    perRecording,
  };
}

const steadyNames = (states: StatesOf<Sight>): string[] =>
  [
    ...new Set([...states.values()].flat().flatMap(({ kind, name }) => (kind === 'steady' ? [name] : []))),
  ].sort();

function notJudged(sight: Sight, states: readonly OperatingState[]): RecordingResult {
  const { file, point, label, diagnosis } = sight;
  const names = [...new Set(states.map(({ name }) => name))].sort();
  const remark = names.length === 0 ? withoutWindows(sight) : `not judged: ${names.join(', ')}`;
  return {
    ...{ file, point, label: label ?? null, score: null, threshold: 1, anomalous: null, diagnosis, remark },
    ...(names.length === 0 ? {} : { state: names[0]! }),
  };
}

function judgedIn({ label, score, anomalous, state }: RecordingResult): JudgedInState[] {
  if (label === null) return [];
  const truth = !isNormal(label);
  if (score === null || anomalous === null)
    return [{ score: 0, anomalous: false, truth, state, unjudged: true }];
  return [{ score, anomalous, truth, state }];
}
