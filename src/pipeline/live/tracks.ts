import type { Diagnosis } from '../../diagnosis/diagnose.js';
import { type AnalysisConfig, ruleFor } from '../../features/analysis-config.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import { analysisSpecOf, type MachineRegistry, type PointContext } from '../machines/machines.js';
import { Channel } from './channel.js';
import type { PointRings } from './point-rings.js';

/** A channel with what the analysis of it needs to remember. */
export interface Track {
  readonly channel: Channel;
  readonly context: PointContext;
  /** True for a point whose blocks are stored as they come: a snapshot would store them twice. */
  stored: boolean;
  /** True while one of its windows is analysed. */
  busy: boolean;
  diagnosis: Diagnosis | undefined;
  diagnosedMs: number;
}

/** More waveform points than a gateway has; further ones are stored but not analysed, and counted. */
const MAX_TRACKS = 256;

export interface TracksDeps {
  readonly machines: MachineRegistry;
  readonly config: AnalysisConfig;
  readonly rings: PointRings;
  /** A point is analysed from now on, or anew. */
  readonly onBegin: (channel: Channel) => void;
}

/** The waveform points that are analysed. */
export class Tracks {
  readonly #deps: TracksDeps;
  readonly #tracks = new Map<string, Track>();

  constructor(deps: TracksDeps) {
    this.#deps = deps;
  }

  get(point: string): Track | undefined {
    return this.#tracks.get(point);
  }

  all(): Iterable<Track> {
    return this.#tracks.values();
  }

  *ofMachine(machine: string): Iterable<Track> {
    for (const track of this.#tracks.values()) if (track.context.machine === machine) yield track;
  }

  /** Begun anew where the sample rate or the unit changed; undefined where it is one too many, or has no ring. */
  of(block: SampleBlock): Track | undefined {
    const known = this.#tracks.get(block.point);
    const same =
      known !== undefined &&
      known.channel.spec.sampleRateHz === block.sampleRateHz &&
      known.channel.spec.unit === block.unit;
    if (same) return known;
    if (known === undefined && this.#tracks.size >= MAX_TRACKS) return undefined;
    return this.#begin(block);
  }

  /** Takes up what is known of the machines now: a point whose machine, speed or bearing changed is begun anew. */
  machinesChanged(): void {
    const { rings, machines } = this.#deps;
    rings.tryAgain();
    for (const [point, { context }] of this.#tracks) {
      const now = machines.contextOf(point);
      if (JSON.stringify(now) === JSON.stringify(context)) continue;
      this.#tracks.delete(point);
      rings.release(point);
    }
  }

  #begin({ point, sampleRateHz, unit }: SampleBlock): Track | undefined {
    const { machines, config, rings, onBegin } = this.#deps;
    const context = machines.contextOf(point);
    const rule = ruleFor(config.points, point);
    const spec = analysisSpecOf(context, sampleRateHz, unit, rule);
    const ring = rings.create(point, spec);
    if (ring === undefined) return undefined;
    const track: Track = {
      channel: new Channel(point, spec, ring, rule?.overlap),
      context,
      stored: false,
      busy: false,
      diagnosis: undefined,
      diagnosedMs: Number.NEGATIVE_INFINITY,
    };
    this.#tracks.set(point, track);
    onBegin(track.channel);
    return track;
  }
}
