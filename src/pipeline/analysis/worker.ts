import { SmEdgeError } from '../../base/errors.js';
import { serveWorker } from '../../base/worker-call.js';
import { type Diagnosis, diagnose } from '../../diagnosis/diagnose.js';
import { createExtractor } from '../../features/extractor.js';
import type { AnalysisSpec, Extractor, FeatureVector } from '../../features/spec.js';
import { SampleRing, type SampleRingHandle } from '../../signals/ring-buffer.js';

/** A window of a ring, and what is to be known of it. */
export interface AnalysisRequest {
  readonly ring: SampleRingHandle;
  readonly fromIndex: number;
  readonly length: number;
  readonly spec: AnalysisSpec;
}

/** Plans kept; the one that was not used for longest makes room. */
const MAX_EXTRACTORS = 64;
const extractors = new Map<string, Extractor>();

async function extractorFor(spec: AnalysisSpec): Promise<Extractor> {
  const key = JSON.stringify(spec);
  const extractor = extractors.get(key) ?? (await createExtractor(spec));
  extractors.delete(key);
  extractors.set(key, extractor);
  if (extractors.size > MAX_EXTRACTORS) {
    const [oldestKey, oldest] = extractors.entries().next().value!;
    extractors.delete(oldestKey);
    oldest.close();
  }
  return extractor;
}

/** Answers with what `analyse` made of the window, unless the writer overran it meanwhile. */
async function onWindow<T>(request: AnalysisRequest, analyse: (samples: Float32Array) => T | Promise<T>) {
  const ring = SampleRing.attach(request.ring);
  const result = await analyse(ring.read(request.fromIndex, request.length));
  if (ring.isIntact(request.fromIndex)) return result;
  throw new SmEdgeError('RING_OVERRUN', `samples from ${request.fromIndex} on were overwritten in analysis`, {
    hint: 'The analysis is slower than the source: use fewer points, a lower rate or a longer ring.',
  });
}

/** The blocks of a long window, as a recording is cut: the plan for one of them is small. */
function cut(samples: Float32Array, length: number): Float32Array[] {
  const count = Math.floor(samples.length / length);
  if (count === 0) return [samples];
  return Array.from({ length: count }, (_, i) => samples.subarray(i * length, (i + 1) * length));
}

serveWorker({
  async extract(request: AnalysisRequest): Promise<FeatureVector> {
    const extractor = await extractorFor({ ...request.spec, blockLength: request.length });
    return onWindow(request, (samples) => extractor.extract(samples));
  },
  diagnose(request: AnalysisRequest): Promise<Diagnosis> {
    return onWindow(request, (samples) => diagnose(cut(samples, request.spec.blockLength), request.spec));
  },
});
