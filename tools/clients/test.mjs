// `npm run test:clients`: sets up the clients if needed, then runs the specs of test/clients. Ends with `N passed, N failed`.
import { finish, runSpecs, succeeds } from '../lib/test-runs.mjs';
import { layout } from './lib/paths.mjs';

const isSetUp = succeeds(process.execPath, ['tools/clients/setup.mjs']);
if (!isSetUp) console.error('The clients could not be set up, so none of these tests ran; what failed is above.');
// The service refuses settings of its prefix that it does not know, so the cache's is not handed on.
const env = { HOLDFAST_CLIENTS_CACHE: undefined, TEST_CLIENTS: JSON.stringify(layout()) };
finish(isSetUp ? runSpecs('clients', process.argv.slice(2), env) : { passed: 0, failed: 1 });
