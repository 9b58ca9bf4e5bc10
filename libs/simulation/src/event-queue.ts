import type { Instant } from '@holdfast/scheduling';

/**
 * Which of several events of one instant comes first, smaller first. Each is named after what it is for; a driver may
 * use numbers between them.
 */
export const EventPriority = {
  /** Steps end first: the blocks and tokens they bring are there for whatever else happens at that instant. */
  stepFinished: 10,
  /** Pins expire next: a pin is over at its expiry, also for a turn that arrives at that very instant. */
  pinExpired: 20,
  /** Then tools return: the programs they belong to have waited longer than those that arrive now. */
  toolFinished: 30,
  /** Then programs arrive. */
  programArrived: 40,
  /** Then timers of the policy under test fire: they see everything that came before. */
  timerFired: 50,
  /** Last, the next step is scheduled, with all of the above known. */
  stepStarted: 60,
} as const;

interface Entry<Payload> {
  readonly at: Instant;
  readonly priority: number;
  readonly sequence: number;
  readonly payload: Payload;
}

/** An event taken from the queue. */
export interface QueuedEvent<Payload> {
  readonly at: Instant;
  readonly priority: number;
  readonly payload: Payload;
}

const comesBefore = <Payload>(a: Entry<Payload>, b: Entry<Payload>): boolean => {
  if (a.at !== b.at) return a.at < b.at;
  if (a.priority !== b.priority) return a.priority < b.priority;
  return a.sequence < b.sequence;
};

/** Events in order of time, then priority, then insertion: a binary heap. */
export class EventQueue<Payload> {
  private readonly heap: Entry<Payload>[] = [];
  private inserted = 0;

  /** Pure. */
  get size(): number {
    return this.heap.length;
  }

  /** Pure. When the first event is due; `null` when there is none. */
  get nextAt(): Instant | null {
    return this.heap[0]?.at ?? null;
  }

  /** Modifies state. Throws a RangeError when the time or the priority is not a number. */
  push(at: Instant, priority: number, payload: Payload): void {
    if (Number.isNaN(at) || Number.isNaN(priority)) {
      throw new RangeError(`event at ${at} with priority ${priority}; allowed are numbers`);
    }
    this.inserted += 1;
    this.heap.push({ at, priority, sequence: this.inserted, payload });
    this.siftUp(this.heap.length - 1);
  }

  /** Modifies state. Takes the first event out; `undefined` when there is none. */
  pop(): QueuedEvent<Payload> | undefined {
    const first = this.heap[0];
    const last = this.heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (this.heap.length > 0) {
      this.heap[0] = last;
      this.siftDown(0);
    }
    return { at: first.at, priority: first.priority, payload: first.payload };
  }

  private siftUp(start: number): void {
    const { heap } = this;
    const entry = heap[start]!;
    let position = start;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (!comesBefore(entry, heap[parent]!)) break;
      heap[position] = heap[parent]!;
      position = parent;
    }
    heap[position] = entry;
  }

  private siftDown(start: number): void {
    const { heap } = this;
    const entry = heap[start]!;
    let position = start;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!comesBefore(heap[child]!, entry)) break;
      heap[position] = heap[child]!;
      position = child;
    }
    heap[position] = entry;
  }
}
