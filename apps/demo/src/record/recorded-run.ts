import type { Instant, KernelEvent } from '@holdfast/scheduling';

/** The kernel that made the decisions: what a replay must start with. */
interface RecordedKernel {
  readonly policy: string;
  readonly fencingToken: number;
  readonly dispatchWindow: number;
  readonly maxQueuedTurns: number;
}

/** One event and when the kernel was told of it. */
export interface RecordedEvent {
  readonly now: Instant;
  readonly event: KernelEvent;
}

/** First line of a file of events; the events follow, one a line. */
export interface RecordHeader {
  readonly schema: 'holdfast.events/v1';
  readonly kernel: RecordedKernel;
}
