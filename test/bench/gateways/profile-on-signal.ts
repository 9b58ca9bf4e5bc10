/**
 * Preloaded into a process (`node --import`): from one SIGUSR2 to the next it notes where its time goes, in the format of V8
 * that browsers show, in the file that BENCH_CPU_PROFILE_FILE names.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

const SAMPLE_EVERY_US = 200;

const file = process.env['BENCH_CPU_PROFILE_FILE'];
if (file !== undefined) {
  const session = new Session();
  let isRunning = false;
  const start = (): void => {
    session.connect();
    session.post('Profiler.enable');
    session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
    session.post('Profiler.start');
  };
  const stop = (): void =>
    session.post('Profiler.stop', (error, result) => {
      if (error !== null) throw error;
      writeFileSync(`${file}.part`, JSON.stringify(result.profile));
      // Whoever waits for the file finds all of it.
      renameSync(`${file}.part`, file);
      session.disconnect();
    });
  process.on('SIGUSR2', () => {
    if (isRunning) stop();
    else start();
    isRunning = !isRunning;
  });
}
