// The quality bench of chunk reuse, on the small model: `npm run bench:chunks -- --help`.
import { runModule } from './lib/run-module.mjs';

await runModule('holdfast_chunks.bench.main', process.argv.slice(2));
