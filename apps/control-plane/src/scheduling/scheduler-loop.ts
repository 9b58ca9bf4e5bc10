/**
 * The one writer of a pool.
 *
 * Boundary: events come in through `post`, `now` is read once an event, the kernel answers with commands, and those
 * are recorded and carried out in order. All of it is synchronous: no other code runs between an event and its
 * commands, and a turn pays no scheduling delay. Writing the record to the database is somebody else's business.
 *
 * Invariants: events are handled one after the other in the order of their posting, also when carrying out a command
 * posts the next one; a step is recorded before it is carried out; a replay of the recorded `{ now, event }` through a
 * fresh kernel gives the same commands (I12).
 */
import type { Command, Instant, Kernel, KernelEvent } from '@holdfast/scheduling';

/** One event and what the kernel made of it. */
export interface LoopStep {
  readonly now: Instant;
  readonly event: KernelEvent;
  readonly commands: readonly Command[];
}

/** What the loop works with. */
export interface SchedulerLoopOptions {
  readonly kernel: Kernel;
  readonly now: () => Instant;
  /** Keeps the step for the log. Must not wait. */
  readonly record: (step: LoopStep) => void;
  /** Carries one command out or sets it going. Must not wait. */
  readonly execute: (command: Command, now: Instant) => void;
  /** An event was handled and its commands were set going, in so many seconds of real time. Must not wait. */
  readonly onStep: (elapsedSeconds: number) => void;
  /** Events that may wait at once. More means that commands beget events without end: a bug. */
  readonly mailboxLimit: number;
  /** A broken invariant: the loop has stopped and the process cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

/** See the file header. */
export class SchedulerLoop {
  readonly #options: SchedulerLoopOptions;
  #mailbox: KernelEvent[] = [];
  #isRunning = false;
  #hasStopped = false;
  #handledEvents = 0;

  constructor(options: SchedulerLoopOptions) {
    this.#options = options;
  }

  /** False after `stop` or a failure: events are dropped then. */
  get isAlive(): boolean {
    return !this.#hasStopped;
  }

  /** Events handled since the start. */
  get handledEvents(): number {
    return this.#handledEvents;
  }

  /** Modifies state. When it returns, the event has been handled, unless it was posted from within a step. */
  post(event: KernelEvent): void {
    if (this.#hasStopped) return;
    if (this.#mailbox.length >= this.#options.mailboxLimit) {
      this.#fail(new Error(`the mailbox holds ${this.#mailbox.length} events; allowed: ${this.#options.mailboxLimit}`));
      return;
    }
    this.#mailbox.push(event);
    if (!this.#isRunning) this.#drain();
  }

  /** Modifies state. Later events are dropped. */
  stop(): void {
    this.#hasStopped = true;
    this.#mailbox = [];
  }

  #drain(): void {
    this.#isRunning = true;
    try {
      for (let index = 0; index < this.#mailbox.length; index += 1) {
        this.#step(this.#mailbox[index] as KernelEvent);
      }
      this.#mailbox = [];
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRunning = false;
    }
  }

  #step(event: KernelEvent): void {
    const { kernel, now, record, execute, onStep } = this.#options;
    const startedAtMs = performance.now();
    const at = now();
    const commands = kernel.handle(event, at);
    this.#handledEvents += 1;
    record({ now: at, event, commands });
    for (const command of commands) execute(command, at);
    onStep((performance.now() - startedAtMs) / 1_000);
  }

  #fail(error: unknown): void {
    this.stop();
    this.#options.onFailure(error);
  }
}
