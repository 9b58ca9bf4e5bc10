import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';

const HEARTBEAT_MS = 15_000;

/** A short key of the values that a step depends on: when one changes, the step runs again. */
export const keyOf = (...values) => createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 16);

/** True when the step ended once with this key. */
export const isDone = (stamps, step) => {
  const stamp = join(stamps, step.name);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === step.key && (step.isThere?.() ?? true);
};

/** Notes that a step has ended. Written aside and moved, so that an interrupted run leaves no half a stamp. */
export const markDone = (stamps, step) => {
  mkdirSync(stamps, { recursive: true });
  const stamp = join(stamps, step.name);
  writeFileSync(`${stamp}.new`, step.key);
  renameSync(`${stamp}.new`, stamp);
};

/**
 * Runs a program, its output into a log file, and reports the last line of it every few seconds.
 * Rejects with the end of the log when it fails.
 */
export const runLogged = (file, args, { log, env = {} }) =>
  new Promise((resolve, reject) => {
    mkdirSync(join(log, '..'), { recursive: true });
    const sink = createWriteStream(log, { flags: 'a' });
    const started = Date.now();
    let tail = '';
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    const onData = (data) => {
      sink.write(data);
      tail = (tail + data.toString()).slice(-4_000);
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    const heartbeat = setInterval(() => {
      const lines = tail.split(/[\r\n]+/).filter((line) => line.trim() !== '');
      const seconds = ((Date.now() - started) / 1_000).toFixed(0);
      console.error(`    ${seconds} s: ${(lines.at(-1) ?? 'working').trim().slice(0, 110)}`);
    }, HEARTBEAT_MS);
    const end = (error) => {
      clearInterval(heartbeat);
      sink.end();
      if (error === undefined) resolve();
      else reject(error);
    };
    child.on('error', (cause) => end(new Error(`${file} cannot be started: ${cause.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) end();
      else
        end(
          new Error(
            `${file} ${args.slice(0, 3).join(' ')} ended with ${signal ?? `exit ${code}`}\n${tail.slice(-1_500)}\nfull log: ${log}`,
          ),
        );
    });
  });
