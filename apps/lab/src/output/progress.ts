import cliProgress from 'cli-progress';
import type { ShareDone } from '../cells/job.js';

/** Shows how far an experiment is. */
export interface ProgressDisplay {
  /** Modifies state. So many more jobs are to come. */
  expect(jobs: number): void;
  /** Modifies state. A job begins; returns where to say how far it is. */
  begin(title: string): ShareDone;
  /** Modifies state. A job was done before. */
  skip(): void;
  /** Modifies state. */
  end(): void;
}

/** Units of a job on the bar. */
const UNITS = 100;
const LINE_INTERVAL_MS = 10_000;

/** A bar on a terminal, a line every ten seconds elsewhere. */
export const progressDisplay = (output: NodeJS.WriteStream): ProgressDisplay =>
  new CountingProgress(output.isTTY ? new Bar(output) : new Lines(output));

/** Shows nothing. */
export const silentProgress = (): ProgressDisplay =>
  new CountingProgress({ show: () => undefined, end: () => undefined });

interface Surface {
  show(state: { readonly done: number; readonly total: number; readonly jobs: number; readonly title: string }): void;
  end(): void;
}

class CountingProgress implements ProgressDisplay {
  #jobs = 0;
  #finished = 0;
  #running = 0;
  #skipped = 0;

  constructor(private readonly surface: Surface) {}

  expect(jobs: number): void {
    this.#jobs += jobs;
  }

  begin(title: string): ShareDone {
    let last = 0;
    return (share) => {
      this.#running += share - last;
      last = share;
      if (share >= 1) {
        this.#finished += 1;
        this.#running -= 1;
      }
      this.#show(title);
    };
  }

  skip(): void {
    this.#skipped += 1;
  }

  end(): void {
    this.surface.end();
  }

  #show(title: string): void {
    const jobs = this.#jobs - this.#skipped;
    this.surface.show({ done: this.#finished + this.#running, total: jobs, jobs: this.#finished, title });
  }
}

class Bar implements Surface {
  readonly #bar: cliProgress.SingleBar;
  #isStarted = false;

  constructor(output: NodeJS.WriteStream) {
    const format = '{bar} {percentage} %  cells {cells}/{cellsTotal}  ETA {eta_formatted}  {title}';
    this.#bar = new cliProgress.SingleBar(
      { format, stream: output, barsize: 24, hideCursor: true, etaBuffer: 40, gracefulExit: false },
      cliProgress.Presets.shades_classic,
    );
  }

  show({ done, total, jobs, title }: Parameters<Surface['show']>[0]): void {
    const payload = { cells: jobs, cellsTotal: total, title };
    if (!this.#isStarted) this.#bar.start(total * UNITS, 0, payload);
    this.#isStarted = true;
    this.#bar.setTotal(total * UNITS);
    this.#bar.update(Math.floor(done * UNITS), payload);
  }

  end(): void {
    if (this.#isStarted) this.#bar.stop();
  }
}

class Lines implements Surface {
  readonly #startedAtMs = performance.now();
  #shownAtMs = performance.now();

  constructor(private readonly output: NodeJS.WriteStream) {}

  show({ done, total, jobs }: Parameters<Surface['show']>[0]): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownAtMs < LINE_INTERVAL_MS || done === 0) return;
    this.#shownAtMs = nowMs;
    const etaSeconds = ((nowMs - this.#startedAtMs) / 1_000) * (total / done - 1);
    this.output.write(
      `cells ${jobs}/${total}, ${((done / total) * 100).toFixed(0)} %, ETA ${etaSeconds.toFixed(0)} s\n`,
    );
  }

  end(): void {
    // Lines need no end.
  }
}
