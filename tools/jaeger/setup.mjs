// Builds a real Jaeger v2 from its Go module, once, into ~/.cache/holdfast/jaeger. Needs Go 1.21 or newer (which fetches
// the Go that the module asks for by itself) and about 2 GB for its caches. With a Jaeger of your own
// (HOLDFAST_JAEGER_URL) nothing is built. Node built-ins only.
import { existsSync } from 'node:fs';
import { buildGoProgram } from '../lib/go-program.mjs';
import { externalJaeger, whyNotServing } from './lib/external-jaeger.mjs';
import { jaegerBinary, MODULE, VERSION } from './lib/paths.mjs';

const say = (message) => console.error(message);

const main = async () => {
  const external = externalJaeger();
  if (external !== undefined) {
    const why = await whyNotServing(external);
    if (why !== undefined) throw new Error(`the Jaeger of HOLDFAST_JAEGER_URL does not serve: ${why}`);
    return say(`Using the Jaeger at ${external.query} (HOLDFAST_JAEGER_URL); nothing to build.`);
  }
  const binary = jaegerBinary();
  if (existsSync(binary)) return undefined;
  const started = Date.now();
  say(`Building Jaeger ${VERSION}: downloads about 300 MB and takes about 7 minutes of one core, once ...`);
  const instead = 'set HOLDFAST_JAEGER_URL=http://host:16686 to use a Jaeger of your own';
  await buildGoProgram({ module: MODULE, version: VERSION, program: 'cmd/jaeger', binary, instead });
  return say(`Jaeger is built in ${((Date.now() - started) / 1_000).toFixed(0)} s: ${binary}`);
};

main().catch((error) => {
  say(`Jaeger could not be set up: ${error.message}`);
  process.exitCode = 1;
});
