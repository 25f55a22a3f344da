/**
 * Tells native libraries that carry telemetry of their makers to stay silent. onnxruntime reads the variable with
 * getenv: a worker's own copy of the environment does not reach it, so this runs on the main thread before the
 * first worker loads the library.
 */
export function disableLibraryTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY = '1';
}
