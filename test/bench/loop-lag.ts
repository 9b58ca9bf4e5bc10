// Preloaded into the control plane (`node --import`): how late its event loop was, written when the process ends.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const file = process.env['BENCH_LOOP_LAG_FILE'];
if (file !== undefined) {
  const resolutionMs = 5;
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  // The histogram holds the interval between two ticks of a timer: what exceeds the interval is lag.
  const lagMs = (nanos: number): number => Math.max(0, nanos / 1e6 - resolutionMs);
  process.on('exit', () => {
    const lag = { p50Ms: lagMs(delay.percentile(50)), p99Ms: lagMs(delay.percentile(99)), maxMs: lagMs(delay.max) };
    writeFileSync(file, JSON.stringify(lag));
  });
}
