import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';
import type { MlflowClient } from './client.js';
import type { Answer, MlflowHttp } from './http.js';

const PROXY = 'api/2.0/mlflow-artifacts/artifacts';
const PROXY_PATH = `/${PROXY}/`;
/** A source may point to a run, a logged model or another version; more hops than this are a loop. */
const MAX_HOPS = 4;

export interface ArtifactFile {
  /** Relative to the folder that was listed, with `/`. */
  readonly path: string;
  /** Undefined where the store behind the server does not say. */
  readonly sizeBytes: number | undefined;
}

export interface ListLimits {
  readonly maxFiles: number;
  readonly maxDepth: number;
}

const listing = z.object({
  files: z
    .array(
      z.object({
        path: z.string().min(1).max(1024),
        is_dir: z.boolean().default(false),
        file_size: z.coerce.number().int().nonnegative().optional(),
      }),
    )
    .max(10_000)
    .default([]),
});

/**
 * Files on the MLflow server through its artifact proxy (`mlflow server --serve-artifacts`), so that a gateway
 * needs no credentials for the store behind it. A location is a path within the proxy: `1/RUN/artifacts`.
 */
export class Artifacts {
  readonly #http: MlflowHttp;
  readonly #client: MlflowClient;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;

  constructor(http: MlflowHttp, client: MlflowClient, transferTimeoutMs: number, signal: AbortSignal) {
    this.#http = http;
    this.#client = client;
    this.#timeoutMs = transferTimeoutMs;
    this.#signal = signal;
  }

  /**
   * The location of an artifact URI: `mlflow-artifacts:/…`, the proxy's own http address, `runs:/ID/path`,
   * `models:/m-ID` (a logged model of MLflow 3) or `models:/NAME/VERSION`.
   */
  async locate(uri: string, hops = 0): Promise<string> {
    if (hops > MAX_HOPS) throw unsupported(uri, 'it leads in circles');
    const runs = /^runs:\/([^/]+)\/?(.*)$/.exec(uri);
    if (runs?.[1] !== undefined) {
      const run = await this.#client.getRun(runs[1]);
      return join(await this.locate(run.info.artifact_uri, hops + 1), runs[2] ?? '');
    }
    const logged = /^models:\/(m-[^/@]+)\/?(.*)$/.exec(uri);
    if (logged?.[1] !== undefined) {
      const home = await this.#client.loggedModelUri(logged[1]);
      return join(await this.locate(home, hops + 1), logged[2] ?? '');
    }
    const version = /^models:\/([^/@]+)\/(\d+)\/?(.*)$/.exec(uri);
    if (version?.[1] !== undefined && version[2] !== undefined) {
      const home = await this.#client.downloadUri(version[1], version[2]);
      return join(await this.locate(home, hops + 1), version[3] ?? '');
    }
    return this.#proxied(uri);
  }

  /** Stores a file; storing under the same name again replaces it. */
  async upload(
    location: string,
    body: Uint8Array | Readable,
    options: { contentType: string; sizeBytes: number },
  ): Promise<void> {
    await this.#http.exchange(
      {
        method: 'PUT',
        path: `${PROXY}/${encode(location)}`,
        body,
        headers: { 'content-type': options.contentType, 'content-length': String(options.sizeBytes) },
        timeoutMs: this.#timeoutMs,
        signal: this.#signal,
      },
      (answer) => answer.body.dump(),
    );
  }

  /** Every file below a folder, sorted by path. */
  async list(location: string, limits: ListLimits): Promise<ArtifactFile[]> {
    const files: ArtifactFile[] = [];
    const visit = async (folder: string, depth: number): Promise<void> => {
      const answer = await this.#http.json(listing, {
        method: 'GET',
        path: PROXY,
        query: { path: join(location, folder) },
        signal: this.#signal,
      });
      for (const entry of answer.files) {
        const name = entry.path.split('/').at(-1) ?? '';
        if (!isSafeName(name)) throw refusedFile(`has a file name that is not allowed: ${entry.path}`);
        const file = folder === '' ? name : `${folder}/${name}`;
        if (!entry.is_dir) files.push({ path: file, sizeBytes: entry.file_size });
        else if (depth >= limits.maxDepth) throw refusedFile(`has folders below ${file}`);
        else await visit(file, depth + 1);
        if (files.length > limits.maxFiles) throw refusedFile(`has more than ${limits.maxFiles} files`);
      }
    };
    await visit('', 1);
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /**
   * Brings a file to `target`, which appears only when all of it is on disk. What an earlier attempt left in
   * `target.part` is continued, if the server still has the same file (its entity tag). Resolves to its size.
   */
  async download(location: string, target: string, maxBytes: number): Promise<number> {
    const part = `${target}.part`;
    const tagFile = `${target}.etag`;
    await mkdir(path.dirname(target), { recursive: true });
    const have = await sizeOf(part);
    const etag = have === 0 ? '' : await readFile(tagFile, 'utf8').catch(() => '');
    const resume: Record<string, string> = etag === '' ? {} : { range: `bytes=${have}-`, 'if-range': etag };
    const sizeBytes = await this.#http
      .exchange(
        {
          method: 'GET',
          path: `${PROXY}/${encode(location)}`,
          headers: { accept: '*/*', ...resume },
          timeoutMs: this.#timeoutMs,
          signal: this.#signal,
        },
        async (answer) => {
          const offset = answer.statusCode === 206 ? rangeStart(answer) : 0;
          if (offset > have) throw refusedFile('was sent from the wrong place');
          await writeFile(tagFile, String(answer.headers.etag ?? ''));
          return receive(answer, part, offset, maxBytes);
        },
      )
      .catch(async (thrown) => {
        // 416: what is there is no beginning of what the server has.
        if (thrown instanceof SmEdgeError && thrown.details.status === 416) await rm(part, { force: true });
        throw thrown;
      });
    await rename(part, target);
    await rm(tagFile, { force: true });
    return sizeBytes;
  }

  #proxied(uri: string): string {
    if (!URL.canParse(uri)) throw unsupported(uri, 'it is no URI');
    const parsed = new URL(uri);
    if (parsed.host !== '' && parsed.host !== this.#http.host) {
      throw unsupported(uri, 'it lies on another server, to which the credentials must not go');
    }
    if (parsed.protocol === 'mlflow-artifacts:') return decode(uri, parsed.pathname);
    const proxyAt = parsed.pathname.indexOf(PROXY_PATH);
    if (/^https?:$/.test(parsed.protocol) && proxyAt >= 0) {
      return decode(uri, parsed.pathname.slice(proxyAt + PROXY_PATH.length));
    }
    throw unsupported(uri, 'the server does not serve its artifacts');
  }
}

async function receive(answer: Answer, part: string, offset: number, maxBytes: number): Promise<number> {
  const promised = Number(answer.headers['content-length'] ?? 'NaN');
  if (offset + promised > maxBytes) throw refusedFile(`is larger than ${maxBytes} bytes`);
  const file = await open(part, offset === 0 ? 'w' : 'r+');
  try {
    const end = await append(answer.body, file, offset, maxBytes);
    if (Number.isFinite(promised) && end !== offset + promised) {
      throw new SmEdgeError('MLFLOW_TRUNCATED', `a file ended after ${end} of ${offset + promised} bytes`, {
        retryable: true,
        hint: 'the connection was cut; the download is resumed',
      });
    }
    await file.truncate(end);
    await file.sync();
    return end;
  } finally {
    await file.close();
  }
}

async function append(body: AsyncIterable<Buffer>, file: FileHandle, offset: number, maxBytes: number) {
  let position = offset;
  for await (const chunk of body) {
    if (position + chunk.length > maxBytes) throw refusedFile(`is larger than ${maxBytes} bytes`);
    await file.write(chunk, 0, chunk.length, position);
    position += chunk.length;
  }
  return position;
}

/** Where a 206 begins (RFC 9110, 14.4). */
function rangeStart(answer: Answer): number {
  const start = /^bytes (\d+)-/.exec(String(answer.headers['content-range'] ?? ''))?.[1];
  if (start === undefined) throw refusedFile('was sent in part, without its range');
  return Number(start);
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  );
}

/** No separators, no control characters, no way up, no name that a half-done download has. */
export const isSafeName = (name: string): boolean =>
  name.length > 0 &&
  name.length <= 255 &&
  name !== '.' &&
  name !== '..' &&
  !/[/\\\p{Cc}]/u.test(name) &&
  !/\.(part|etag)$/.test(name);

const join = (folder: string, rest: string): string =>
  [folder, rest]
    .map((text) => text.replace(/^\/+|\/+$/g, ''))
    .filter((text) => text !== '')
    .join('/');

const encode = (location: string): string => location.split('/').map(encodeURIComponent).join('/');

function decode(uri: string, pathname: string): string {
  const location = join(decodeURIComponent(pathname), '');
  if (location.split('/').some((name) => name === '..')) throw unsupported(uri, 'it leads out of the store');
  return location;
}

const unsupported = (uri: string, why: string): SmEdgeError =>
  new SmEdgeError('MLFLOW_ARTIFACT_URI', `cannot use the artifact location ${uri}: ${why}`, {
    hint: 'run the server with --serve-artifacts, and let the experiment keep its artifacts there (mlflow-artifacts:/)',
  });

const refusedFile = (why: string): SmEdgeError =>
  new SmEdgeError('MLFLOW_ARTIFACT_REFUSED', `the artifact ${why}`, {
    hint: 'register the model again, with its files alone in one folder',
  });
