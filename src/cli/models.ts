import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock } from '../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import { Metrics } from '../base/metrics.js';
import { createExtractor } from '../features/extractor.js';
import type { ModelManifest } from '../scoring/manifest.js';
import { doubtsOf } from '../scoring/manifest-doubts.js';
import { BUNDLED_MODELS_DIR, ModelStore } from '../scoring/model-store.js';
import { probeOnnx } from '../scoring/probe.js';
import { type Quarantine, quarantine } from '../scoring/quarantine.js';
import type { RegisterVerb } from './context.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import { probeDocument, probeSentence } from './probe-text.js';

interface ModelsOptions {
  readonly dir?: string;
  readonly json?: boolean;
}

/** @throws SmEdgeError `MODEL_FOLDER_MISSING`: nothing in a folder that is not there would look like all is well. */
function folderOf(dir: string | undefined): string {
  if (dir === undefined) return BUNDLED_MODELS_DIR;
  if (existsSync(dir)) return resolve(dir);
  throw new SmEdgeError('MODEL_FOLDER_MISSING', `there is no folder ${dir}`, {
    hint: 'name the models folder in the data folder of the gateway (storage.path)',
  });
}

/** What a model says of operating states: its threshold in each, and the rows that it learned there. */
const statesOf = ({ threshold, training }: ModelManifest) =>
  [...new Set([...Object.keys(threshold.states ?? {}), ...Object.keys(training.states ?? {})])].map(
    (state) => ({
      state,
      threshold: threshold.states?.[state]?.value ?? threshold.value,
      isOwn: threshold.states?.[state] !== undefined,
      samples: training.states?.[state]?.samples ?? threshold.states?.[state]?.samples ?? null,
    }),
  );

/** `limit 1 (full-load 0.62, low 1.3, idle thin: 1)`. */
function limitText({
  threshold,
  states,
}: {
  readonly threshold: number;
  readonly states: ReturnType<typeof statesOf>;
}): string {
  const named = states.map(({ state, threshold: own, isOwn }) => `${state} ${isOwn ? '' : 'thin: '}${own}`);
  return `limit ${threshold}${named.length === 0 ? '' : ` (${named.join(', ')})`}`;
}

/** `sm-edge models`: what is in the local model store, and whether it is whole. */
export const register: RegisterVerb = (program, context, exit) => {
  const models = program.command('models').description('the local model store');

  const verb = (
    name: string,
    description: string,
    action: (store: ModelStore, check: Quarantine, json: boolean) => Promise<number>,
  ) =>
    models
      .command(name)
      .description(description)
      .option('--dir <folder>', "a further model folder (a gateway's own is models/ in its data folder)")
      .option('--json', 'one JSON document on stdout')
      .action(async (options: ModelsOptions) => {
        const check = quarantine(systemClock);
        try {
          const store = new ModelStore({
            bundledDir: BUNDLED_MODELS_DIR,
            localDir: folderOf(options.dir),
            quarantine: check,
            metrics: new Metrics(),
          });
          exit(await action(store, check, options.json === true));
        } catch (thrown) {
          exit(await reportFailure(context, options.json === true, thrown));
        }
      });

  verb('list', 'models, versions, tasks and thresholds', async (store, _check, json) => {
    const { models: found, broken } = await store.list();
    const rows = found.map(({ name, version, origin, dir, manifest }) => ({
      name,
      version,
      task: manifest.task,
      threshold: manifest.threshold.value,
      states: statesOf(manifest),
      origin,
      dir,
    }));
    const faults = broken.map(({ dir, error }) => ({ dir, code: error.code, message: error.message }));
    await write(
      context.out,
      json
        ? `${JSON.stringify({ models: rows, broken: faults })}\n`
        : [
            ...rows.map(
              (row) =>
                `${`${row.name}/${row.version}`.padEnd(32)} ${row.task.padEnd(10)} ${row.origin}  ${limitText(row)}  ${row.dir}\n`,
            ),
            ...faults.map((fault) => `${'BROKEN'.padEnd(32)} ${fault.dir}: ${fault.message}\n`),
          ].join(''),
    );
    return EXIT.done;
  });

  verb(
    'verify',
    'check manifest, size, sha256, graph and golden vectors of every model',
    async (store, check, json) => {
      const { models: found, broken } = await store.list();
      const progress = new Progress(context, 'verify', found.length);
      const known = await featureNames();
      const results: Verified[] = broken.map(({ dir, error }) => ({
        ...{ model: dir, ok: false, doubts: [] },
        ...{ code: error.code, message: error.message },
      }));
      for (const [index, model] of found.entries()) {
        progress.update(index, model.key);
        try {
          await check(model.path, model.manifest);
          results.push({
            model: model.key,
            ok: true,
            code: '',
            message: 'whole; the golden vectors reproduce',
            doubts: doubtsOf(model.manifest, known),
          });
        } catch (thrown) {
          const { code, message } = toSmEdgeError(thrown);
          results.push({ model: model.key, ok: false, code, message, doubts: [] });
        }
      }
      progress.end();
      await write(
        context.out,
        json
          ? `${JSON.stringify(results)}\n`
          : results
              .flatMap(({ model, ok, message, doubts }) => [
                `${ok ? 'good' : 'BAD '} ${model}: ${message}\n`,
                ...doubts.map((doubt) => `     but ${doubt}\n`),
              ])
              .join(''),
      );
      return results.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
    },
  );

  models
    .command('probe')
    .description('whether onnxruntime runs on this processor; tried in a process of its own')
    .option('--json', 'one JSON document on stdout')
    .action(async (options: { json?: boolean }) => {
      const found = await probeOnnx(systemClock).result;
      await write(
        context.out,
        options.json ? `${JSON.stringify(probeDocument(found))}\n` : `${probeSentence(found)}\n`,
      );
      exit(found.ok ? EXIT.done : EXIT.failed);
    });
};

interface Verified {
  readonly model: string;
  readonly ok: boolean;
  readonly code: string;
  readonly message: string;
  /** What holds, and is most likely a slip. */
  readonly doubts: readonly string[];
}

/** Names of the features that a gateway makes of vibration and of sound. */
async function featureNames(): Promise<string[]> {
  const names: string[] = [];
  for (const [quantity, unit] of [
    ['acceleration', 'g'],
    ['sound-pressure', 'Pa'],
  ] as const) {
    const spec = { quantity, unit, sampleRateHz: 25_600, blockLength: 32_768, speedRpm: 1_480 };
    const extractor = await createExtractor(spec);
    names.push(
      ...Object.keys(extractor.extract(Float32Array.from({ length: 32_768 }, (_, i) => Math.sin(i)))),
    );
    extractor.close();
  }
  return names;
}
