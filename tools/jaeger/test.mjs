// `npm run test:jaeger`: builds Jaeger if needed, then runs the specs of test/jaeger. Ends with `N passed, N failed`.
import { finish, runSpecs, succeeds } from '../lib/test-runs.mjs';

const isSetUp = succeeds(process.execPath, ['tools/jaeger/setup.mjs']);
if (!isSetUp) console.error('Jaeger could not be set up, so none of these tests ran; what failed is above.');
finish(isSetUp ? runSpecs('jaeger', process.argv.slice(2)) : { passed: 0, failed: 1 });
