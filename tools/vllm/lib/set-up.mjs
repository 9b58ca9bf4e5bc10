import { mkdirSync, rmSync } from 'node:fs';
import { isDone, markDone } from './steps.mjs';

const say = (message) => console.error(message);

/** Prints what is there and what is not; returns the steps that are missing. */
export const reportSteps = (steps, places) => {
  const missing = steps.filter((step) => !isDone(places.stamps, step));
  say(`cache: ${places.cache}`);
  for (const step of steps) say(`  ${missing.includes(step) ? 'missing' : 'there  '}  ${step.name}: ${step.title}`);
  return missing;
};

/** Prints what will be downloaded, then does what is missing, in order. Rejects with the error of the first that fails. */
export const performSteps = async (steps, places) => {
  const missing = steps.filter((step) => !isDone(places.stamps, step));
  if (missing.length === 0) return;
  const total = missing.reduce((sum, step) => sum + step.downloadMb, 0);
  say(`${missing.length} steps to do, about ${total} MB to download:`);
  for (const step of missing) say(`  ${String(step.downloadMb).padStart(5)} MB  ${step.title}`);
  mkdirSync(places.cache, { recursive: true });
  for (const [index, step] of steps.entries()) {
    if (isDone(places.stamps, step)) continue;
    const started = Date.now();
    const size = step.downloadMb === 0 ? 'no download' : `about ${step.downloadMb} MB to download`;
    say(`[${index + 1}/${steps.length}] ${step.title} (${size})`);
    // A step that is redone may leave later ones without ground: a new environment is empty.
    if (step.name === 'venv') rmSync(places.stamps, { recursive: true, force: true });
    await step.run();
    markDone(places.stamps, step);
    say(`    done in ${((Date.now() - started) / 1_000).toFixed(0)} s`);
  }
};
