#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node --max-semi-space-size=1 --optimize-for-size
import { main } from '../dist/cli/main.js';

process.exitCode = await main(process.argv, process.env);
