import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { seededRandom } from '#sm/base/random.js';
import { checkModelGraph } from '#sm/scoring/graph-gate.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { linearModel, manifestOf } from './support.js';

/** Files that onnxruntime itself gets to see; `SM_EDGE_FUZZ=1000` tries so many more. */
const TRIALS = Number(process.env.SM_EDGE_FUZZ ?? 8);
const SEED = 20250;

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-hostile-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** Bytes overwritten, cut out, doubled or cut off, as a broken disk or a hostile hand may do. */
function mutated(model: Uint8Array, random: () => number): Uint8Array {
  const bytes = [...model];
  const place = () => Math.floor(random() * bytes.length);
  const times = 1 + Math.floor(random() * 6);
  for (let i = 0; i < times; i++) {
    const kind = Math.floor(random() * 5);
    if (kind <= 1) bytes[place()] = Math.floor(random() * 256);
    else if (kind === 2) bytes.splice(place(), 1 + Math.floor(random() * 8));
    else if (kind === 3) bytes.splice(place(), 0, ...bytes.slice(place(), place() + 16));
    else if (random() < 0.3) bytes.length = Math.max(1, place());
  }
  return Uint8Array.from(bytes.length === 0 ? [0] : bytes);
}

const altered = (change: (model: onnxProto.onnx.ModelProto) => void): Uint8Array => {
  const model = onnxProto.onnx.ModelProto.decode(linearModel());
  change(model);
  return onnxProto.onnx.ModelProto.encode(model).finish();
};

async function tried(bytes: Uint8Array): Promise<unknown> {
  const path = join(dir, 'model.onnx');
  await writeFile(path, bytes);
  const file = {
    name: 'model.onnx',
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
  return quarantine(systemClock, 200_000)(path, manifestOf(bytes, { file })).then(
    () => 'let in',
    (thrown) => thrown,
  );
}

describe('mutated model files', () => {
  it('are passed or refused by the gate, which never fails in another way', () => {
    const random = seededRandom(SEED);
    const model = linearModel();
    let refused = 0;
    for (let i = 0; i < 3000; i++)
      try {
        checkModelGraph(mutated(model, random));
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(SmEdgeError);
        refused++;
      }
    expect(refused).toBeGreaterThan(500);
  });

  it(
    'are let in with the right golden outputs or refused by code; this process lives on',
    async () => {
      const random = seededRandom(SEED + 1);
      const model = linearModel();
      for (let i = 0; i < TRIALS; i++) {
        const outcome = await tried(mutated(model, random));
        if (outcome !== 'let in')
          expect(outcome).toMatchObject({
            code: expect.stringMatching(/^MODEL_(CORRUPT|INPUTS|GOLDEN|RUN)$/),
          });
      }
    },
    TRIALS * 200_000,
  );
});

describe('a hostile graph', () => {
  it.each([
    [
      'a tensor that claims more than there is',
      /its tensor weights claims 1e\+18|its tensor weights claims 1000000000000000000/,
      altered((model) => {
        model.graph!.initializer![0]!.dims = [1e9, 1e9] as never;
      }),
    ],
    [
      'a tensor of a node in another file',
      /a tensor of its node shares lies in another file/,
      altered((model) => {
        model.graph!.node![0]!.attribute = [
          { name: 'value', tensors: [{ externalData: [{ key: 'location', value: '/etc/passwd' }] }] },
        ];
      }),
    ],
    [
      'graphs in graphs in graphs',
      /nested too deep/,
      altered((model) => {
        let graph: onnxProto.onnx.IGraphProto = { node: [{ opType: 'Identity' }] };
        for (let depth = 0; depth < 40; depth++)
          graph = { node: [{ opType: 'If', attribute: [{ name: 'then_branch', g: graph }] }] };
        model.graph!.node!.push(graph.node![0] as never);
      }),
    ],
    [
      'functions of its own',
      /functions of its own/,
      altered((model) => {
        model.functions = [{ name: 'evil' }] as never;
      }),
    ],
  ])('with %s is refused before onnxruntime sees it', (_title, message, bytes) => {
    expect(() => checkModelGraph(bytes)).toThrow(message);
  });

  it('of an opset that is not known yet says what to export instead', async () => {
    const future = altered((model) => {
      model.opsetImport[0]!.version = 99;
    });
    expect(await tried(future)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/opset/i),
      hint: expect.stringMatching(/target_opset|opset_version/),
    });
  });
});
