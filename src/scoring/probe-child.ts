import { availableParallelism } from 'node:os';
import { toErrorRecord } from '../base/errors.js';
import { probeRuntime } from './runtime-probe.js';

/** The process that tries onnxruntime on this processor: it may die of an instruction that the processor lacks. */
try {
  process.send?.({ ...(await probeRuntime()), cores: availableParallelism() });
} catch (thrown) {
  process.send?.({ error: toErrorRecord(thrown, 'ONNX_RUNTIME') });
}
process.disconnect?.();
