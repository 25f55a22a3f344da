import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { AnalysisSpec, FeatureVector } from '../../features/spec.js';
import { FEATURE_BASELINE, READING_BASELINE, READING_FEATURE } from '../../scoring/baseline.js';
import { type DriftSketch, driftSketchOf } from '../../scoring/drift.js';
import { type Combination, combineScores, ENSEMBLE, ModelPrecision } from '../../scoring/ensemble.js';
import { attribute, explainBaseline, explainModel, type Reason } from '../../scoring/explain.js';
import type { ModelInput } from '../../scoring/model-input.js';
import type { StoredModel } from '../../scoring/model-store.js';
import { type Score, withWhatWasSaid } from '../../scoring/score.js';
import { scorePoints } from '../../scoring/score-points.js';
import type { Scorer } from '../../scoring/scorer.js';
import {
  type ModelCatalogue,
  type ModelChoice,
  type ModelsConfig,
  selectModels,
} from '../../scoring/selection.js';
import { StateBaselines } from '../../scoring/state-baselines.js';
import { withoutThreshold } from '../../scoring/state-thresholds.js';
import { MOST_STATES } from '../../scoring/states/config.js';
import { isJudged, type OperatingState, RUNNING, UNKNOWN } from '../../scoring/states/state.js';
import { exceedance } from '../machines/health-index.js';
import type { PointContext } from '../machines/machines.js';
import { ModelInputs, type WindowSeen } from './model-inputs.js';

/** The scores of one window or reading. */
export interface Assessment {
  readonly scores: readonly Score[];
  /** The score that is worst against its own threshold: alarm and health go by it. Undefined while nothing has a say. */
  readonly worst: Score | undefined;
  /** Operating state of the machine, where it has more than one. */
  readonly state?: OperatingState;
  /** Why nothing is said of it: the machine stands still, runs up, or is in a state that is new. */
  readonly unjudged?: string;
}

/** What is known of a reading besides its value. */
export interface ReadingSeen {
  readonly timeMs?: number;
  /** State of the machine; undefined where it has but one. */
  readonly at?: OperatingState | undefined;
  /** Whether its point tells the state itself. */
  readonly tells?: boolean;
}

/** What one model found in a period, over all points that it scores. */
export interface ModelFigures {
  readonly model: { readonly name: string; readonly version: string };
  readonly metrics: Readonly<Record<string, number>>;
}

/** One model of a point; most points have one. */
interface Member {
  readonly choice: ModelChoice;
  readonly inputs: ModelInputs | undefined;
  /** What the model scored last, where that is not the features of the window alone. */
  lastInput: ModelInput | undefined;
}

interface PointState {
  members: readonly Member[] | undefined;
  combine: Combination;
  /** Models that called the newest anomaly of the point one. */
  accusers: readonly string[];
  baselines: StateBaselines;
  readonly kind: 'features' | 'reading';
  changed: boolean;
  said: string;
  /** States for which a model has no threshold, as was told. */
  readonly statesSeen: Set<string>;
}

/** Points whose baselines are kept; further ones are scored by models alone. */
const MAX_POINTS = 10_000;

export interface AssessorEvents {
  /** A model does not fit a point, or failed there: told once for each point and cause. */
  fallback?(point: string, reason: string): void;
  /** A model has thresholds for other operating states than the machine is in: told once for each point and state. */
  threshold?(point: string, reason: string): void;
  /** The model `NAME/VERSION` that was chosen does not load. */
  broken?(model: string, error: SmEdgeError): void;
}

/** Scores what the points show: by the model that is chosen for the point, and by what is usual at the point. */
export class Assessor {
  readonly #scorer: Scorer;
  readonly #events: AssessorEvents;
  readonly #points = new Map<string, PointState>();
  readonly #drift = new Map<string, { readonly model: StoredModel; readonly sketch: DriftSketch }>();
  readonly #precision = new ModelPrecision();
  #config: ModelsConfig;
  #catalogue: ModelCatalogue;

  constructor(scorer: Scorer, config: ModelsConfig, catalogue: ModelCatalogue, events: AssessorEvents = {}) {
    this.#scorer = scorer;
    this.#config = config;
    this.#catalogue = catalogue;
    this.#events = events;
  }

  /** Other models or rules from the next window on. */
  use(config: ModelsConfig, catalogue: ModelCatalogue): void {
    this.#config = config;
    this.#catalogue = catalogue;
    for (const state of this.#points.values()) {
      state.members = undefined;
      state.said = '';
      state.statesSeen.clear();
    }
  }

  /**
   * Scores one window; the windows of a point come in order of time, one after the other.
   * @param at state of the machine in the window; undefined where it has but one
   */
  async window(
    context: PointContext,
    spec: AnalysisSpec,
    seen: WindowSeen,
    at?: OperatingState,
  ): Promise<Assessment> {
    if (at !== undefined && !isJudged(at)) return unjudged(at);
    const { point } = context;
    const { features } = seen;
    const state = this.#stateOf(point, 'features');
    const members = await this.#membersFor(state, context, spec, features);
    let silent: string | undefined;
    const baseline = {
      update: (vector: FeatureVector) => {
        const said = state.baselines.update(vector, at ?? RUNNING, seen.timeMs);
        silent = said.silent;
        return said.score;
      },
    };
    const rows = members.map((member, i) => {
      const wanted = member.inputs?.next(seen);
      member.lastInput = wanted?.input === features ? undefined : wanted?.input;
      // The vector is learned once, not by each model.
      const learner = i === 0 ? baseline : NO_BASELINE;
      return { features, choice: member.choice, baseline: learner, state: at, ...wanted };
    });
    const scored = await scorePoints(this.#scorer, rows);
    state.changed = true;
    // It may stand still: what a model says of a running machine is then no word on it either.
    if (at?.kind === 'unknown' && silent !== undefined) return { ...unjudged(at), unjudged: silent };
    const own = scored[0]?.baseline;
    const speaking = members.flatMap(({ choice: { model } }, i) => {
      const score = scored[i]!.score;
      if (score === undefined || score.model !== model?.name) return [];
      this.#sketchOf(model).add(features, score.score, at?.name);
      this.#noteThreshold(point, state, model, at);
      return [score];
    });
    const leftOut = scored.flatMap(({ fallback }) => fallback ?? []);
    if (leftOut.length > 0) this.#say(point, state, leftOut.join('; '));
    if (speaking.length === 0) return assessmentOf([scored[0]?.score], at, silent);
    const score =
      members.length === 1
        ? speaking[0]!
        : combineScores(speaking, state.combine, this.#precision.weightOf, leftOut);
    if (score.anomalous)
      state.accusers = speaking.filter(({ anomalous }) => anomalous).map(({ model }) => model);
    return assessmentOf([score, own], at, silent);
  }

  /** Scores one scalar reading by what is usual at its point. */
  reading(point: string, value: number, { timeMs, at, tells }: ReadingSeen = {}): Assessment {
    // A speed that no state of the machine has is none of the usual speeds: that is for itself to say.
    const judgedIn = at?.kind === 'unseen' && tells === true ? UNKNOWN : (at ?? RUNNING);
    if (!isJudged(judgedIn)) return unjudged(judgedIn);
    const state = this.#stateOf(point, 'reading');
    state.changed = true;
    const { score, silent } = state.baselines.update({ [READING_FEATURE]: value }, judgedIn, timeMs);
    return assessmentOf([score], at, silent);
  }

  /** The features that raised a score, the strongest first. */
  async reasons(point: string, score: Score, features: FeatureVector): Promise<Reason[]> {
    const state = this.#points.get(point);
    if (state === undefined) return [];
    // An ensemble is explained by its most anomalous model.
    const speaker =
      score.model !== ENSEMBLE
        ? score.model
        : score.members?.reduce((most, of) => (exceedance(of) > exceedance(most) ? of : most)).model;
    const member = state.members?.find(({ choice }) => choice.model?.name === speaker);
    const model = member?.choice.model;
    const baseline = state.baselines.get(score.state);
    const usual = () => (baseline === undefined ? [] : explainBaseline(baseline, features));
    if (member === undefined || model === undefined) return usual();
    const attribution = await attribute(this.#scorer, model, member.lastInput ?? features).catch(
      () => undefined,
    );
    return attribution === undefined
      ? usual()
      : explainModel(model.manifest, features, attribution.values, baseline);
  }

  /** A person called the newest alarm of a point right or wrong: so were the models that raised it. */
  label(point: string, isRight: boolean): void {
    const state = this.#points.get(point);
    if (state === undefined) return;
    this.#precision.label(state.accusers, isRight);
    state.accusers = [];
  }

  /** How often each model was right: kept over restarts, since ensembles are weighted by it. */
  get precision(): Pick<ModelPrecision, 'restore' | 'takeChanged'> {
    return this.#precision;
  }

  /** Drift and score figures since the last call, model by model. */
  takeFigures(): ModelFigures[] {
    return [...this.#drift.values()]
      .filter(({ sketch }) => sketch.samples > 0)
      .map(({ model, sketch }) => {
        const { metrics } = sketch.report();
        sketch.reset();
        return { model: { name: model.name, version: model.version }, metrics };
      });
  }

  /** At most `limit` baselines that changed since they were taken last, by point: to be stored. */
  takeChangedBaselines(limit: number): [point: string, document: unknown][] {
    const changed = [...this.#points].filter(([, state]) => state.changed).slice(0, limit);
    return changed.map(([point, state]) => {
      state.changed = false;
      return [point, { kind: state.kind, ...state.baselines.toJSON() }];
    });
  }

  /** Takes up a stored baseline. @throws SmEdgeError `BASELINE_STATE`: it is then learned anew */
  restoreBaseline(point: string, document: unknown): void {
    const { kind } = (document ?? {}) as { kind?: unknown };
    const state = newState(kind === 'reading' ? 'reading' : 'features');
    state.baselines = StateBaselines.fromJSON(document, optionsOf(state.kind));
    this.#points.set(point, state);
  }

  /** Takes up baselines that were learned from healthy hours; they are stored with the next ones that change. */
  seedBaselines(point: string, document: unknown): void {
    this.restoreBaseline(point, document);
    this.#points.get(point)!.changed = true;
  }

  /** Forgets what was learned of a point: for recordings that are not one story. */
  forget(point: string): void {
    this.#points.delete(point);
  }

  async #membersFor(
    state: PointState,
    context: PointContext,
    spec: AnalysisSpec,
    features: FeatureVector,
  ): Promise<readonly Member[]> {
    while (state.members === undefined) {
      const config = this.#config;
      const { members, combine } = this.#select(context, spec, features);
      const loaded = await Promise.all(members.map((choice) => this.#load(choice)));
      // Other rules came into force while the models were loaded: what they replaced must not be kept.
      if (config !== this.#config) continue;
      state.combine = combine;
      state.members = loaded.map((choice) => ({
        choice,
        inputs: choice.model && new ModelInputs(choice.model.manifest),
        lastInput: undefined,
      }));
    }
    return state.members;
  }

  #select(context: PointContext, spec: AnalysisSpec, features: FeatureVector) {
    const { point, machineClass, sensor, tags } = context;
    return selectModels(
      {
        ...{ point, machineClass },
        ...(sensor === undefined ? {} : { sensor }),
        ...(tags === undefined ? {} : { tags }),
        quantity: spec.quantity,
        unit: spec.unit,
        sampleRateHz: spec.sampleRateHz,
        blockSamples: spec.blockLength,
        features: Object.keys(features),
      },
      this.#config,
      this.#catalogue,
    );
  }

  async #load(choice: ModelChoice): Promise<ModelChoice> {
    if (choice.model === undefined) return choice;
    try {
      await this.#scorer.load(choice.model);
      return choice;
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'MODEL_RUN');
      const { code, message } = error;
      this.#events.broken?.(choice.model.key, error);
      return { model: undefined, reason: `${choice.model.key} does not load (${code}): ${message}` };
    }
  }

  #say(point: string, state: PointState, reason: string): void {
    if (state.said === reason) return;
    state.said = reason;
    this.#events.fallback?.(point, reason);
  }

  /** States have names of a person's choice: one that was mistyped must not go unseen. */
  #noteThreshold(point: string, state: PointState, { manifest }: StoredModel, at?: OperatingState): void {
    if (at === undefined || state.statesSeen.has(at.name)) return;
    const reason = withoutThreshold(manifest, at);
    if (reason === undefined || state.statesSeen.size >= MOST_STATES) return;
    state.statesSeen.add(at.name);
    this.#events.threshold?.(point, reason);
  }

  #sketchOf(model: StoredModel): DriftSketch {
    let entry = this.#drift.get(model.key);
    if (entry === undefined) {
      entry = { model, sketch: driftSketchOf(model.manifest) };
      this.#drift.set(model.key, entry);
    }
    return entry.sketch;
  }

  #stateOf(point: string, kind: PointState['kind']): PointState {
    let state = this.#points.get(point);
    if (state === undefined) {
      state = newState(kind);
      if (this.#points.size < MAX_POINTS) this.#points.set(point, state);
    }
    return state;
  }
}

const NO_BASELINE = { update: () => undefined };

const optionsOf = (kind: PointState['kind']) => (kind === 'reading' ? READING_BASELINE : FEATURE_BASELINE);

const newState = (kind: PointState['kind']): PointState => ({
  members: undefined,
  combine: 'max',
  accusers: [],
  baselines: new StateBaselines(optionsOf(kind)),
  kind,
  changed: false,
  said: '',
  statesSeen: new Set(),
});

const unjudged = (state: OperatingState): Assessment => ({
  scores: [],
  worst: undefined,
  state,
  unjudged: `not judged: ${state.name}`,
});

function assessmentOf(
  candidates: readonly (Score | undefined)[],
  state: OperatingState | undefined,
  silent: string | undefined,
): Assessment {
  const scores = candidates
    .filter((score) => score !== undefined)
    .map((score) => (state === undefined ? score : { ...score, state: state.name }));
  const worst = scores.reduce<Score | undefined>(
    (found, score) => (found === undefined || exceedance(score) > exceedance(found) ? score : found),
    undefined,
  );
  return {
    scores,
    worst: worst && withWhatWasSaid(worst, scores),
    ...(state === undefined ? {} : { state }),
    ...(worst !== undefined || silent === undefined ? {} : { unjudged: silent }),
  };
}
