// Says at the end of an installation whether ONNX runs on this processor. Where it does not, the gateway is of use all
// the same: every point is scored by its baseline. So this never fails.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const program = path.join(import.meta.dirname, '../bin/sm-edge.js');
spawnSync(process.execPath, [program, 'models', 'probe'], { stdio: ['ignore', 'inherit', 'inherit'] });
