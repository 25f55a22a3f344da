import type { Clock } from '../../base/clock.js';
import { type SmEdgeError, toErrorRecord } from '../../base/errors.js';
import type { PartHealth } from '../../base/health.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { RuntimeProbe } from '../../scoring/probe.js';

export interface ModelFaultsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Models that are here and cannot be used: each is said once, counted, and shown until the models are chosen anew. */
export class ModelFaults {
  readonly #deps: ModelFaultsDeps;
  readonly #faults = new Map<string, SmEdgeError>();
  readonly #counter;
  #sinceMs: number;
  #runtime: SmEdgeError | undefined;

  constructor(deps: ModelFaultsDeps) {
    this.#deps = deps;
    this.#sinceMs = deps.clock.nowMs();
    this.#counter = deps.metrics.counter(
      'sm_edge_models_faults_total',
      'Models that were found broken, or did not load.',
      ['code'],
    );
  }

  /** What the probe of onnxruntime found: where it does not run, no model is at fault, and none is used. */
  runtime(found: RuntimeProbe): void {
    if (found.ok) {
      const { version, tookMs } = found;
      this.#deps.logger.debug({ version, tookMs }, 'onnxruntime runs here');
      return;
    }
    this.#runtime = found.error;
    this.#faults.clear();
    this.#sinceMs = this.#deps.clock.nowMs();
    this.#counter.inc({ code: found.error.code });
    this.#deps.logger.error(
      { error: toErrorRecord(found.error) },
      'onnxruntime does not run here: all points are scored by their baselines',
    );
  }

  /** @param model `NAME/VERSION`, or the folder of one whose manifest cannot be read */
  report(model: string, error: SmEdgeError): void {
    if (error.code === 'ONNX_RUNTIME' || this.#faults.get(model)?.code === error.code) return;
    if (this.#faults.size === 0) this.#sinceMs = this.#deps.clock.nowMs();
    this.#faults.set(model, error);
    this.#counter.inc({ code: error.code });
    this.#deps.logger.error({ model, error: toErrorRecord(error) }, 'a model is broken and not used');
  }

  /** The models are looked at anew: only these are broken as far as one can tell without loading them. */
  reset(broken: readonly { readonly dir: string; readonly error: SmEdgeError }[]): void {
    const known = new Set(broken.map(({ dir }) => dir));
    for (const model of [...this.#faults.keys()]) if (!known.has(model)) this.#faults.delete(model);
    for (const { dir, error } of broken) this.report(dir, error);
  }

  /** Undefined while there is nothing to say. */
  health(): PartHealth | undefined {
    const faults = [...(this.#runtime === undefined ? [] : [this.#runtime]), ...this.#faults.values()];
    if (faults.length === 0) return undefined;
    const reason = faults.map(({ message }) => message).join('; ');
    return { part: 'models', state: 'degraded', reason: reason.slice(0, 500), sinceMs: this.#sinceMs };
  }
}
