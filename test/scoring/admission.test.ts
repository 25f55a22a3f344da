import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';
import { linearModel, manifestOf, slowModel, writeModel } from './support.js';

const { onnx } = onnxProto;

let dir: string;
let store: ModelStore;
let metrics: Metrics;

function storeWith(timeoutMs = 200_000): ModelStore {
  return new ModelStore({
    bundledDir: join(dir, 'bundled'),
    localDir: join(dir, 'local'),
    quarantine: quarantine(systemClock, timeoutMs),
    metrics,
  });
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-models-'));
  metrics = new Metrics();
  store = storeWith();
  await store.open();
});

afterEach(() => rm(dir, { recursive: true, force: true }));

async function offer(model: Uint8Array, manifest: unknown = manifestOf(model)): Promise<string> {
  return writeModel(await store.createStaging(), model, manifest);
}

/** The graph of the linear model with something done to it. */
function altered(change: (model: InstanceType<typeof onnx.ModelProto>) => void): Uint8Array {
  const model = onnx.ModelProto.decode(linearModel());
  change(model);
  return onnx.ModelProto.encode(model).finish();
}

describe('a sound model', () => {
  it('is let in, listed and found; its staging folder is gone', async () => {
    const staging = await offer(linearModel());
    await writeFile(join(staging, 'conda.yaml'), 'what a registry adds');
    const admitted = await store.admit(staging);
    expect(admitted.key).toBe('linear/1');
    expect(await readdir(admitted.dir)).toEqual(['manifest.json', 'model.onnx']);
    expect(existsSync(staging)).toBe(false);
    expect((await store.resolve('linear')).path).toBe(admitted.path);
    expect((await store.list()).models.map((model) => model.key)).toEqual(['linear/1']);
  });

  it('offered twice is the same; another file or manifest under its version is refused', async () => {
    const first = await store.admit(await offer(linearModel()));
    expect((await store.admit(await offer(linearModel()))).path).toBe(first.path);
    const other = altered((model) => {
      model.producerName = 'somebody else';
    });
    await expect(store.admit(await offer(other))).rejects.toMatchObject({ code: 'MODEL_EXISTS' });
    const model = linearModel();
    const stricter = manifestOf(model, { threshold: { value: 5, method: 'chosen by hand' } });
    await expect(store.admit(await offer(model, stricter))).rejects.toMatchObject({ code: 'MODEL_EXISTS' });
  });

  it('is newest by number, not by text; a version may be asked for', async () => {
    for (const version of ['2', '10', '9']) {
      const model = linearModel();
      await store.admit(await offer(model, manifestOf(model, { version })));
    }
    expect((await store.resolve('linear')).version).toBe('10');
    expect((await store.resolve('linear', '2')).version).toBe('2');
    await expect(store.resolve('linear', '3')).rejects.toMatchObject({
      code: 'MODEL_UNKNOWN',
      hint: 'Known models: linear/2, linear/9, linear/10.',
    });
  });
});

describe('a model that is refused', () => {
  const refusals: [string, string, RegExp, () => [Uint8Array, unknown?]][] = [
    [
      'truncated on its way',
      'MODEL_CHECKSUM',
      /bytes, its manifest says/,
      () => [linearModel().subarray(0, 100), manifestOf(linearModel())],
    ],
    [
      'one bit flipped',
      'MODEL_CHECKSUM',
      /sha256/,
      () => {
        const model = Uint8Array.from(linearModel());
        model[50]! ^= 1;
        return [model, manifestOf(linearModel())];
      },
    ],
    [
      'no ONNX at all',
      'MODEL_CORRUPT',
      /no ONNX|no graph/,
      () => [new TextEncoder().encode('<html>404</html>'.repeat(20))],
    ],
    ['truncated before it was signed', 'MODEL_CORRUPT', /./, () => [linearModel().subarray(0, 200)]],
    [
      'golden outputs of another model',
      'MODEL_GOLDEN',
      /golden vector 1 gives -3 here/,
      () => {
        const model = linearModel();
        return [
          model,
          manifestOf(model, {
            golden: {
              vectors: [
                { input: [0, 0], output: 1 },
                { input: [1, -2], output: -3.01 },
              ],
            },
          }),
        ];
      },
    ],
    [
      'more features than the graph takes',
      'MODEL_INPUTS',
      /shape \[rows, 2\], the manifest 3 features/,
      () => {
        const model = linearModel();
        return [
          model,
          manifestOf(model, {
            inputs: { kind: 'features', tensor: 'features', features: ['a', 'b', 'c'] },
            output: { tensor: 'score', meaning: 'x', anomalous: 'above' },
            golden: { vectors: [{ input: [0, 0, 0], output: 1 }] },
          }),
        ];
      },
    ],
    [
      'an output that the graph does not have',
      'MODEL_INPUTS',
      /the manifest wants reconstruction/,
      () => {
        const model = linearModel();
        return [
          model,
          manifestOf(model, { output: { tensor: 'reconstruction', meaning: 'x', anomalous: 'above' } }),
        ];
      },
    ],
    [
      'a loop',
      'MODEL_CORRUPT',
      /operator Loop/,
      () => [
        altered((model) => {
          model.graph!.node![0]!.opType = 'Loop';
        }),
      ],
    ],
    [
      'an operator of a foreign domain',
      'MODEL_CORRUPT',
      /evil/,
      () => [
        altered((model) => {
          model.graph!.node![0]!.domain = 'evil';
        }),
      ],
    ],
    [
      'weights in another file',
      'MODEL_CORRUPT',
      /lies in another file/,
      () => [
        altered((model) => {
          model.graph!.initializer![0]!.externalData = [{ key: 'location', value: '../../../etc/passwd' }];
        }),
      ],
    ],
    [
      'an unknown operator',
      'MODEL_CORRUPT',
      /does not load/,
      () => [
        altered((model) => {
          model.graph!.node![0]!.opType = 'Teleport';
        }),
      ],
    ],
    [
      'an opset of the far future',
      'MODEL_CORRUPT',
      /does not load/,
      () => [
        altered((model) => {
          model.opsetImport[0]!.version = 9999;
        }),
      ],
    ],
    [
      'a feature named twice',
      'MODEL_MANIFEST',
      /inputs.features: a feature is named twice/,
      () => {
        const model = linearModel();
        return [
          model,
          { ...manifestOf(model), inputs: { kind: 'features', tensor: 'features', features: ['a', 'a'] } },
        ];
      },
    ],
    [
      'an unknown key',
      'MODEL_MANIFEST',
      /treshold/,
      () => {
        const model = linearModel();
        return [model, { ...manifestOf(model), treshold: 1 }];
      },
    ],
    [
      'a name that leaves the store',
      'MODEL_MANIFEST',
      /name: use letters/,
      () => {
        const model = linearModel();
        return [model, { ...manifestOf(model), name: '../../etc' }];
      },
    ],
  ];

  it.each(refusals)('%s: %s', async (_title, code, message, make) => {
    const [model, manifest] = make();
    const staging = await offer(model, manifest ?? manifestOf(model));
    const error = await store.admit(staging).then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).toMatchObject({ name: 'SmEdgeError', code, hint: expect.stringMatching(/./) });
    expect(error.message).toMatch(message);
    expect(existsSync(staging)).toBe(false);
    expect((await store.list()).models).toEqual([]);
    expect(await metrics.registry.metrics()).toContain(
      `sm_edge_scoring_admissions_total{outcome="${code}"} 1`,
    );
  });

  it('a link in place of the file', async () => {
    const staging = await offer(linearModel());
    await unlink(join(staging, 'model.onnx'));
    await symlink('/proc/self/mem', join(staging, 'model.onnx'));
    await expect(store.admit(staging)).rejects.toMatchObject({ code: 'MODEL_MANIFEST' });
  });

  it('memory without end dies in its own process', async () => {
    const graph = new GraphWriter('greedy');
    graph.input('features', ['rows', 2]);
    graph.node('ReduceSum', 'one', ['features', graph.integers('axes', [0, 1])], { keepdims: 0 });
    graph.node('Expand', 'huge', ['one', graph.integers('shape', [2 ** 20, 2 ** 20])]);
    graph.node('ReduceMax', 'score', ['huge'], { keepdims: 0 });
    graph.output('score', []);
    const model = graph.finish();
    const manifest = manifestOf(model, { output: { tensor: 'score', meaning: 'x', anomalous: 'above' } });
    await expect(store.admit(await offer(model, manifest))).rejects.toMatchObject({
      code: expect.stringMatching(/^MODEL_(CORRUPT|RUN)$/),
    });
  });

  it('a run without end is cut off at its deadline', async () => {
    store = storeWith(1_500);
    const model = slowModel();
    const manifest = manifestOf(model, { output: { tensor: 'score', meaning: 'x', anomalous: 'above' } });
    await expect(store.admit(await offer(model, manifest))).rejects.toThrow(/within 1500 ms/);
  });
});

it('a folder with a broken manifest is listed apart and makes room for a sound one', async () => {
  await writeModel(join(dir, 'local', 'linear', '1'), linearModel(), { format: 'sm-edge-model/1' });
  const { models, broken } = await store.list();
  expect(models).toEqual([]);
  expect(broken).toMatchObject([{ error: { code: 'MODEL_MANIFEST' } }]);
  await store.admit(await offer(linearModel()));
  expect((await store.list()).broken).toEqual([]);
});

it('what an interrupted admission left behind is removed at the next start', async () => {
  await offer(linearModel());
  await store.open();
  expect(await readdir(join(dir, 'local', '.staging'))).toEqual([]);
});
