import { serveWorker } from '../../base/worker-call.js';
import { dropFromPageCache } from '../page-cache.js';
import { copyFacts, expectedBytes } from './copy.js';
import { copyPages } from './page-copy.js';

serveWorker({ expectedBytes, copy: copyPages, facts: copyFacts, forget: dropFromPageCache });
