#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node --max-semi-space-size=1 --optimize-for-size
// The flags keep V8's young generation and malloc's arenas small: about 40 MB on a gateway (bench/README.md).
import { main } from '../dist/cli/main.js';

process.exitCode = await main(process.argv, process.env);
