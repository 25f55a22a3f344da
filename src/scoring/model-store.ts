import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { MODEL_LIMITS, type ModelManifest, parseManifest } from './manifest.js';
import { modelKey } from './model-key.js';
import type { Quarantine } from './quarantine.js';

/** A model version in the store. Its folder does not change any more. */
export interface StoredModel {
  /** `NAME/VERSION`. */
  readonly key: string;
  readonly name: string;
  readonly version: string;
  readonly dir: string;
  /** The ONNX file. */
  readonly path: string;
  readonly manifest: ModelManifest;
  /** `bundled` came with the package; `local` was admitted on this gateway. */
  readonly origin: 'bundled' | 'local';
}

export interface BrokenModel {
  readonly dir: string;
  readonly error: SmEdgeError;
}

export interface ModelStoreOptions {
  /** models/ of the package: read, never written. */
  readonly bundledDir: string;
  /** models/ of the data folder. */
  readonly localDir: string;
  readonly quarantine: Quarantine;
  readonly metrics: Metrics;
}

/** models/ of this package. */
export const BUNDLED_MODELS_DIR = fileURLToPath(new URL('../../models', import.meta.url));

const FILES = ['model.onnx', 'manifest.json'] as const;
const STAGING = '.staging';
const DISK_TAKES_NOTHING: ReadonlySet<string> = new Set(['EROFS', 'ENOSPC', 'EDQUOT', 'EIO']);
/** More folders than this are no model store but a mistake. */
const MAX_ENTRIES = 1000;

/** Folders `NAME/VERSION/{model.onnx, manifest.json}` under a bundled and a local root. */
export class ModelStore {
  readonly #options: ModelStoreOptions;

  constructor(options: ModelStoreOptions) {
    this.#options = options;
  }

  /**
   * Makes the local root, and removes what an interrupted admission left behind. On a disk that takes nothing now the
   * models that are there can be used all the same.
   */
  async open(): Promise<void> {
    const staging = join(this.#options.localDir, STAGING);
    try {
      await rm(staging, { recursive: true, force: true });
      await mkdir(staging, { recursive: true });
    } catch (thrown) {
      if (!DISK_TAKES_NOTHING.has(String((thrown as NodeJS.ErrnoException).code))) throw thrown;
    }
  }

  /** A new empty folder to download a model into; it is on the same file system as the store. */
  async createStaging(): Promise<string> {
    const staging = join(this.#options.localDir, STAGING);
    await mkdir(staging, { recursive: true });
    return mkdtemp(join(staging, 'model-'));
  }

  /** All versions of all models, by name and then by version; a folder with a broken manifest is listed apart. */
  async list(): Promise<{ models: StoredModel[]; broken: BrokenModel[] }> {
    const models = new Map<string, StoredModel>();
    const broken: BrokenModel[] = [];
    const { bundledDir, localDir } = this.#options;
    const roots: (readonly [root: string, origin: StoredModel['origin']])[] = [[bundledDir, 'bundled']];
    // Where a command looks at the bundled models alone, both are the same folder.
    if (localDir !== bundledDir) roots.unshift([localDir, 'local']);
    for (const [root, origin] of roots)
      for (const name of await subfolders(root))
        for (const version of await subfolders(join(root, name))) {
          const dir = join(root, name, version);
          try {
            const model = await readModel(dir, origin);
            if (model.key !== `${name}/${version}`)
              throw new SmEdgeError('MODEL_MANIFEST', `${dir} holds the manifest of ${model.key}`);
            if (!models.has(model.key)) models.set(model.key, model);
          } catch (thrown) {
            broken.push({ dir, error: toSmEdgeError(thrown, 'MODEL_MANIFEST') });
          }
        }
    return { models: [...models.values()].sort(byNameAndVersion), broken };
  }

  /** The version asked for, or the newest; `MODEL_UNKNOWN` where there is none. */
  async resolve(name: string, version?: string): Promise<StoredModel> {
    const { models } = await this.list();
    const found = models.filter(
      (model) => model.name === name && (version === undefined || model.version === version),
    );
    const newest = found[found.length - 1];
    if (newest !== undefined) return newest;
    const known = models.map((model) => model.key).join(', ') || 'none';
    throw new SmEdgeError(
      'MODEL_UNKNOWN',
      `there is no model ${version === undefined ? name : `${name}/${version}`} here`,
      {
        hint: `Known models: ${known}.`,
      },
    );
  }

  /**
   * Lets in the model that lies in `stagingDir` (model.onnx and manifest.json; other files are ignored): manifest,
   * size, sha256, graph, golden vectors, then an atomic and durable move into place. The staging folder is gone
   * afterwards, whether the model was let in or refused. A version that is here already with the same files is returned as it is.
   *
   * Throws `MODEL_MANIFEST`, `MODEL_CHECKSUM`, `MODEL_CORRUPT`, `MODEL_INPUTS`, `MODEL_GOLDEN`, or `MODEL_EXISTS` where another file
   * or manifest already has this name and version.
   */
  async admit(stagingDir: string): Promise<StoredModel> {
    const counter = this.#options.metrics.counter(
      'sm_edge_scoring_admissions_total',
      'Models offered to the store, by outcome.',
      ['outcome'],
    );
    try {
      const model = await this.#admit(stagingDir);
      counter.inc({ outcome: 'admitted' });
      return model;
    } catch (thrown) {
      const error = toSmEdgeError(
        thrown,
        'MODEL_STORE',
        'Look at the space and the permissions of the data folder.',
      );
      counter.inc({ outcome: error.code });
      throw error;
    } finally {
      await rm(stagingDir, { recursive: true, force: true });
    }
  }

  /**
   * Removes a version that was let in here: renamed away at once, so that a power cut leaves the whole model or none.
   * Throws `MODEL_STORE` where it came with the package.
   */
  async remove({ key, name, version, origin }: StoredModel): Promise<void> {
    if (origin !== 'local') throw new SmEdgeError('MODEL_STORE', `${key} came with the package and stays`);
    const grave = await this.createStaging();
    const parent = join(this.#options.localDir, name);
    await rename(join(parent, version), join(grave, 'model'));
    await sync(parent);
    await rm(grave, { recursive: true, force: true });
  }

  async #admit(stagingDir: string): Promise<StoredModel> {
    const offered = await readModel(stagingDir, 'local');
    const { key, manifest } = offered;
    const known = (await this.list()).models.find((model) => model.key === key);
    if (known !== undefined) {
      // The sha256 of the file is in the manifest.
      if (isDeepStrictEqual(known.manifest, manifest)) return known;
      throw new SmEdgeError('MODEL_EXISTS', `${key} is here already with another file or manifest`, {
        hint: 'A version never changes: give the new one a new version in its manifest.',
      });
    }
    await this.#options.quarantine(offered.path, manifest);

    // Only the two files go on: what else a registry keeps beside them is no business of the gateway.
    const clean = await this.createStaging();
    const target = join(this.#options.localDir, manifest.name, manifest.version);
    try {
      for (const file of FILES) {
        await move(join(stagingDir, file), join(clean, file));
        await sync(join(clean, file));
      }
      await sync(clean);
      await mkdir(dirname(target), { recursive: true });
      // A folder here that list() did not count as a model is broken: it makes room for the sound one.
      await rm(target, { recursive: true, force: true });
      await rename(clean, target);
      await sync(dirname(target));
      await sync(this.#options.localDir);
    } finally {
      await rm(clean, { recursive: true, force: true });
    }
    return { ...offered, dir: target, path: join(target, 'model.onnx') };
  }
}

async function readModel(dir: string, origin: StoredModel['origin']): Promise<StoredModel> {
  const hint = 'A model is a folder with model.onnx and manifest.json.';
  const path = join(dir, 'model.onnx');
  for (const [file, limit] of [
    ['manifest.json', MODEL_LIMITS.manifestBytes],
    ['model.onnx', MODEL_LIMITS.modelBytes],
  ] as const) {
    const info = await lstat(join(dir, file)).catch(() => undefined);
    // lstat: a link in a download could point at any file of the gateway.
    if (info === undefined || !info.isFile())
      throw new SmEdgeError('MODEL_MANIFEST', `${basename(dir)} has no file ${file}`, { hint });
    if (info.size > limit)
      throw new SmEdgeError('MODEL_MANIFEST', `${file} has ${info.size} bytes, more than ${limit}`, { hint });
  }
  const manifest = parseManifest(await readFile(join(dir, 'manifest.json'), 'utf8'));
  // Cheap, and finds most of what a full disk or a broken copy leaves; the checksum is looked at before each load.
  const { size } = await lstat(path);
  if (size !== manifest.file.sizeBytes)
    throw new SmEdgeError(
      'MODEL_CHECKSUM',
      `${modelKey(manifest)}: model.onnx has ${size} bytes, its manifest says ${manifest.file.sizeBytes}`,
      { hint: 'Fetch the model again: sm-edge models pull, or the next sync.' },
    );
  return {
    key: modelKey(manifest),
    name: manifest.name,
    version: manifest.version,
    dir,
    path,
    manifest,
    origin,
  };
}

async function subfolders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort()
    .slice(0, MAX_ENTRIES);
}

const collator = new Intl.Collator('en', { numeric: true });

/** Version 10 comes after version 9. */
function byNameAndVersion(a: StoredModel, b: StoredModel): number {
  return collator.compare(a.name, b.name) || collator.compare(a.version, b.version);
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
}

/** fsync of a file or a folder, so that a power cut leaves the whole model or none. */
async function sync(path: string): Promise<void> {
  const isDirectory = (await stat(path)).isDirectory();
  const handle = await open(path, isDirectory ? constants.O_RDONLY | constants.O_DIRECTORY : 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
