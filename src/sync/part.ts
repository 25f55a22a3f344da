import type { z } from 'zod';
import type { Clock } from '../base/clock.js';
import type { SmEdgeError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import type { GatewayEvent } from '../events/event.js';
import type { Outbox } from '../storage/outbox.js';

/** A model as the local model store knows it. */
export interface LocalModel {
  readonly name: string;
  readonly version: string;
}

/** Where a model that came down stems from. */
export interface ModelOrigin {
  readonly registeredName: string;
  readonly version: string;
  readonly alias: string;
  /** Artifact URI of the version's files. */
  readonly source: string;
  /** Run that produced it, where the registry knows. */
  readonly runId?: string;
}

/** Points that a model is for. Missing keys match everything. */
export interface ModelSelector {
  readonly class?: string | undefined;
  readonly quantity?: string | undefined;
  readonly point?: string | undefined;
}

/** What the composition root does with models that come down. */
export interface ModelIntake {
  /**
   * Verifies the folder (manifest, sha256, golden vectors) and takes a copy into the model store; the caller
   * removes `folder` afterwards. Throws a `retryable` error where it could not look (disk full), another where it
   * refuses the model for good.
   */
  admit(folder: string, origin: ModelOrigin): Promise<LocalModel>;
  /** Puts an admitted model into use for the points of `selector`, without a restart. Also called at start. */
  activate(model: LocalModel, selector: ModelSelector, origin: ModelOrigin): Promise<void>;
}

/** Who this gateway is, as the remote gets to see it. */
export interface GatewayIdentity {
  readonly gatewayId: string;
  readonly site: string;
  readonly programVersion: string;
  /** Hash of the configuration in force. */
  readonly configHash: string;
  readonly machines: readonly MachineIdentity[];
  /** Model that events and metrics belong to where they name none. */
  readonly defaultModel: LocalModel;
}

export interface MachineIdentity {
  readonly id: string;
  readonly class: string;
  /** Field to value; nested values are written as JSON. */
  readonly nameplate: Readonly<Record<string, unknown>>;
}

/** A period's figures about one model (drift, scores) or about the gateway (alarms). */
export interface MetricSummary {
  /** End of the period, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** Missing for what belongs to no single model: it goes to the default one's run. */
  readonly model?: LocalModel;
  /** `drift.psi.rms` → 0.12. Not-finite values are left out and counted. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A model that was learned on this gateway. */
export interface LearnedModel {
  readonly model: LocalModel;
  /** Its folder in the model store; it does not change any more. */
  readonly folder: string;
  /** What it is and what it was learned from, for people. */
  readonly description: string;
  /** Lineage: point, parent version, when … */
  readonly tags: Readonly<Record<string, string>>;
}

export interface SyncStall {
  /** Since when nothing was confirmed, milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  readonly pendingRows: number;
  readonly error: SmEdgeError;
}

export type SyncState = 'starting' | 'good' | 'degraded' | 'stopped';

export interface SyncStatus {
  readonly state: SyncState;
  /** One sentence for the technician; empty while good. */
  readonly reason: string;
  readonly sinceMs: number;
  readonly lastSuccessMs?: number;
  readonly pending: { readonly live: number; readonly backlog: number };
  readonly models: readonly ModelBindingStatus[];
}

export interface ModelBindingStatus {
  readonly registeredName: string;
  readonly alias: string;
  readonly state: 'unknown' | 'active' | 'refused' | 'unavailable';
  /** Version in the registry that `state` is about. */
  readonly version?: string;
  readonly local?: LocalModel;
  /** Why it is refused or unavailable. */
  readonly reason?: string;
}

export interface SyncDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly outbox: Outbox;
  /** Asked anew whenever it is sent, so that a reloaded configuration shows. */
  readonly identity: () => GatewayIdentity;
  readonly models: ModelIntake;
  /** Folder of its own for state and staged downloads; created where it is missing. */
  readonly dataDir: string;
  /** Nothing was confirmed for the configured time; called once per stall. */
  readonly onStalled: (stall: SyncStall) => void;
  /** A model came into use or was refused; called once per version. */
  readonly onModel: (outcome: ModelBindingStatus) => void;
}

/** One remote. It never blocks or fails its callers: what it accepts is in the outbox, the rest is its own loop. */
export interface Sync {
  /** Starts the loops; throws only for a config that can never work. */
  start(): Promise<void>;
  /** Ends requests under way; what was not confirmed stays in the outbox. Idempotent; done within 5 s. */
  stop(): Promise<void>;
  /** Resolves once the event is in the outbox. */
  enqueueEvent(event: GatewayEvent): Promise<void>;
  /** Resolves once the figures are in the outbox. */
  enqueueMetrics(summary: MetricSummary): Promise<void>;
  /** Resolves once the model is in the outbox; it becomes a new version of a registered model, once. */
  enqueueModel(learned: LearnedModel): Promise<void>;
  readonly status: SyncStatus;
}

/** A remote is a folder with this in its index.ts and one line in sync/index.ts. */
export interface SyncPart<C> {
  /** Key under `sync:` in the configuration. */
  readonly type: string;
  readonly configSchema: z.ZodType<C>;
  create(config: C, deps: SyncDeps): Promise<Sync>;
}
