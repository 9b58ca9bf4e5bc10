// The chunk engine behind holdfast.chunk.v1, with the small model: `npm run start:chunk-engine -- --help`.
import { runModule } from './lib/run-module.mjs';

await runModule('holdfast_chunks.service.main', process.argv.slice(2));
