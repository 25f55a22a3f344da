import { serveWorker } from '../base/worker-call.js';
import { integrityFindings } from './integrity.js';

serveWorker({ check: integrityFindings });
