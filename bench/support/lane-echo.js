import { parentPort, workerData } from 'node:worker_threads';
import { SharedLane } from '#sm/base/shared-lane.js';

// Answers at once, by message and through a lane: what the way to another thread and back costs.
parentPort.on('message', (message) => parentPort.postMessage(message));
void new SharedLane(workerData).serve(async () => undefined);
