import { serveWorker } from '../../base/worker-call.js';
import { copyDatabase, copyFacts, expectedBytes } from './copy.js';

serveWorker({ expectedBytes, copy: copyDatabase, facts: copyFacts });
