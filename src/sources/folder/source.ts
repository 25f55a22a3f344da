import type { Dirent } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../base/clock.js';
import { SmEdgeError, toErrorRecord, toSmEdgeError } from '../../base/errors.js';
import { type RetrySchedule, retry } from '../../base/retry.js';
import type { SignalBatch, Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import type { FileConfig, FolderConfig } from './config.js';
import { contentsOf } from './contents.js';
import { filePattern, type NameParts } from './file-pattern.js';
import { TakenFiles } from './taken.js';

/** Names under which programs write before they rename: never looked at. */
const UNFINISHED = /^\.|~$|\.(tmp|part|partial|filepart|crdownload|swp)$/i;
/** A WAV file whose heading announces more than is there may still be growing: this many more looks. */
const MAX_TRUNCATED = 5;
/** The store is asked again, while it is full, for as long as the gateway runs. */
const STORE_RETRY: RetrySchedule = { initialMs: 250, maxMs: 30_000, factor: 2, jitter: 0.3, limit: Infinity };

interface Seen {
  version: string;
  /** Since when it has stood still, monotonic milliseconds. */
  sinceMs: number;
  truncated: number;
}

interface Found {
  readonly name: string;
  readonly config: FileConfig;
  readonly parts: NameParts;
  readonly modifiedMs: number;
  readonly version: string;
}

/**
 * Takes files out of a folder, one after the other, the oldest first. The folder is looked at, not listened to: notices
 * of changes do not come from network shares.
 */
export class FolderSource implements Source {
  readonly #config: FolderConfig;
  readonly #deps: SourceDeps;
  readonly #status: StatusKeeper;
  readonly #patterns;
  readonly #taken: TakenFiles;
  readonly #seen = new Map<string, Seen>();
  readonly #stopping = new AbortController();
  readonly #files;
  readonly #waiting;
  #loop: Promise<void> | undefined;

  constructor(config: FolderConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#patterns = config.files.map((file) => ({ file, match: filePattern(file.match) }));
    this.#taken = new TakenFiles(deps.memory);
    const files = deps.metrics.counter('sm_edge_folder_files_total', 'Files, by what became of them.', [
      'source',
      'outcome',
    ]);
    this.#files = (outcome: 'stored' | 'failed') => files.inc({ source: config.id, outcome });
    const waiting = deps.metrics.gauge('sm_edge_folder_waiting_files', 'Files that wait to be taken.', [
      'source',
    ]);
    this.#waiting = (count: number) => waiting.set({ source: config.id }, count);
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  async start(): Promise<void> {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    this.#status.set('stopped');
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const failed = await this.#round();
        this.#status.set(failed === undefined ? 'good' : 'degraded', failed ?? '');
      } catch (thrown) {
        const { message } = thrown as Error;
        this.#status.set('failed', `the folder ${this.#config.path} cannot be read: ${message}`);
      }
      await sleep(this.#deps.clock, 'folder scan', this.#config.interval, signal);
    }
  }

  /** Takes what is whole. Gives what went wrong with the newest file that failed, while it lies there. */
  async #round(): Promise<string | undefined> {
    const entries = await readdir(this.#config.path, { withFileTypes: true });
    const whole = await this.#whole(entries);
    let left = whole.length;
    for (const found of whole) {
      this.#waiting(left--);
      if (this.#stopping.signal.aborted) return undefined;
      await this.#take(found);
    }
    this.#waiting(0);
    return this.#failure?.reason;
  }

  #failure: { readonly name: string; readonly reason: string } | undefined;

  async #whole(entries: readonly Dirent[]): Promise<Found[]> {
    const { clock } = this.#deps;
    const whole: Found[] = [];
    const names = new Set<string>();
    for (const entry of entries) {
      if (!entry.isFile() || UNFINISHED.test(entry.name)) continue;
      const matched = this.#match(entry.name);
      if (matched === undefined) continue;
      const info = await lstat(join(this.#config.path, entry.name)).catch(() => undefined);
      if (info === undefined) continue;
      names.add(entry.name);
      const version = `${info.size}/${info.mtimeMs}`;
      if (this.#taken.has(entry.name, version)) continue;
      const seen = this.#seen.get(entry.name);
      if (seen === undefined || seen.version !== version) {
        this.#seen.set(entry.name, {
          version,
          sinceMs: clock.monotonicMs(),
          truncated: seen?.truncated ?? 0,
        });
        if (this.#config.settle > 0) continue;
      } else if (clock.monotonicMs() - seen.sinceMs < this.#config.settle) continue;
      whole.push({ name: entry.name, ...matched, modifiedMs: info.mtimeMs, version });
    }
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
    this.#taken.keepOnly(names);
    return whole.sort((a, b) => a.modifiedMs - b.modifiedMs || a.name.localeCompare(b.name));
  }

  #match(name: string): { config: FileConfig; parts: NameParts } | undefined {
    for (const { file, match } of this.#patterns) {
      const parts = match(name);
      if (parts !== undefined) return { config: file, parts };
    }
    return undefined;
  }

  async #take(found: Found): Promise<void> {
    const file = join(this.#config.path, found.name);
    try {
      const { size } = await lstat(file);
      if (size > this.#config.maxFile)
        throw new SmEdgeError('FILE_TOO_LARGE', `${found.name} has ${size} bytes: see maxFile`);
      for await (const batch of contentsOf(file, found.config, found.parts, found.modifiedMs)) {
        await this.#deliver(batch);
        if (this.#stopping.signal.aborted) return;
      }
    } catch (thrown) {
      if (this.#stopping.signal.aborted) return;
      const error = toSmEdgeError(thrown, 'FILE_UNREADABLE');
      if (this.#mayGrow(found, error)) return;
      await this.#finish(found, 'failed', error);
      return;
    }
    await this.#finish(found, 'stored');
  }

  /** In its own time: what is not stored yet is tried again, and the file waits. */
  async #deliver(batch: SignalBatch): Promise<void> {
    const { clock, random, sink } = this.#deps;
    const { signal } = this.#stopping;
    await retry({ clock, random, schedule: STORE_RETRY, name: 'store of a file', signal }, () =>
      sink.deliver(batch),
    );
  }

  #mayGrow({ name }: Found, error: SmEdgeError): boolean {
    const seen = this.#seen.get(name);
    if (error.code !== 'WAV_TRUNCATED' || seen === undefined || seen.truncated >= MAX_TRUNCATED) return false;
    seen.truncated++;
    seen.sinceMs = this.#deps.clock.monotonicMs();
    return true;
  }

  /** Remembered first, then moved: a crash between the two leaves a file that is known. */
  async #finish({ name, version }: Found, outcome: 'stored' | 'failed', error?: SmEdgeError): Promise<void> {
    const { logger } = this.#deps;
    const { path, after } = this.#config;
    this.#files(outcome);
    this.#taken.add(name, version);
    this.#seen.delete(name);
    if (error !== undefined) {
      logger.warn({ file: name, error: toErrorRecord(error) }, 'a file cannot be used');
      this.#failure = { name, reason: `${name} cannot be used: ${error.message}` };
    } else if (this.#failure !== undefined) this.#failure = undefined;
    try {
      if (after === 'delete' && outcome === 'stored') await rm(join(path, name), { force: true });
      else if (after !== 'keep') {
        const folder = join(path, outcome === 'stored' ? 'done' : 'failed');
        // Not recursive: a share that is gone must not be made anew on the disk below it.
        await mkdir(folder).catch((thrown: NodeJS.ErrnoException) => {
          if (thrown.code !== 'EEXIST') throw thrown;
        });
        await rename(join(path, name), join(folder, name));
      }
    } catch (thrown) {
      logger.warn({ file: name, error: toErrorRecord(thrown) }, 'a file that was taken cannot be moved away');
    }
  }
}
