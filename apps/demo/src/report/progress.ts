import cliProgress from 'cli-progress';

/** How far one run is. */
interface Progress {
  readonly programsEnded: number;
  readonly turnsFinished: number;
  readonly modelSeconds: number;
}

/** Shows how far runs are. */
export interface ProgressDisplay {
  /** A run begins. Modifies state. */
  begin(policy: string, totals: { readonly programs: number; readonly turns: number }): void;
  /** Modifies state. */
  update(progress: Progress): void;
  /** The run is over. Modifies state. */
  end(): void;
}

const FORMAT =
  '{policy} {bar} {percentage} %  programs {ended}/{programs}  turns {value}/{total}  model {model} s  ETA {eta} s';
const POLICY_COLUMNS = 14;
const LINE_INTERVAL_MS = 5_000;

/** Bars on a terminal, a line every few seconds elsewhere. */
export const progressDisplay = (output: NodeJS.WriteStream): ProgressDisplay =>
  output.isTTY ? new ProgressBars(output) : new ProgressLines(output);

class ProgressBars implements ProgressDisplay {
  #bar: cliProgress.SingleBar | null = null;

  constructor(private readonly output: NodeJS.WriteStream) {}

  begin(policy: string, totals: { readonly programs: number; readonly turns: number }): void {
    this.#bar = new cliProgress.SingleBar(
      { format: FORMAT, stream: this.output, barsize: 24, hideCursor: true, etaBuffer: 50, gracefulExit: false },
      cliProgress.Presets.shades_classic,
    );
    const payload = { policy: policy.padEnd(POLICY_COLUMNS), programs: totals.programs, ended: 0, model: 0 };
    this.#bar.start(totals.turns, 0, payload);
  }

  update({ programsEnded, turnsFinished, modelSeconds }: Progress): void {
    this.#bar?.update(turnsFinished, { ended: programsEnded, model: modelSeconds.toFixed(0) });
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}

class ProgressLines implements ProgressDisplay {
  #policy = '';
  #totals = { programs: 0, turns: 0 };
  #last: Progress = { programsEnded: 0, turnsFinished: 0, modelSeconds: 0 };
  #startedAtMs = 0;
  #writtenAtMs = 0;

  constructor(private readonly output: NodeJS.WriteStream) {}

  begin(policy: string, totals: { readonly programs: number; readonly turns: number }): void {
    this.#policy = policy;
    this.#totals = totals;
    this.#startedAtMs = performance.now();
    this.#writtenAtMs = this.#startedAtMs;
  }

  update(progress: Progress): void {
    this.#last = progress;
    if (performance.now() - this.#writtenAtMs < LINE_INTERVAL_MS) return;
    this.#writtenAtMs = performance.now();
    this.#write();
  }

  end(): void {
    this.#write();
  }

  #write(): void {
    const { programsEnded, turnsFinished, modelSeconds } = this.#last;
    const { programs, turns } = this.#totals;
    const elapsedSeconds = (performance.now() - this.#startedAtMs) / 1_000;
    const eta = turnsFinished === 0 ? '?' : (elapsedSeconds * (turns / turnsFinished - 1)).toFixed(0);
    this.output.write(
      `${this.#policy}: programs ${programsEnded}/${programs}, turns ${turnsFinished}/${turns}, ` +
        `model ${modelSeconds.toFixed(0)} s, ETA ${eta} s\n`,
    );
  }
}
