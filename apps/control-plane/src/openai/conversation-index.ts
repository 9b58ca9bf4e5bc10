import type { ProgramId } from '@holdfast/scheduling';

/** One conversation and the program that carries it. */
export interface Lane {
  readonly programId: ProgramId;
  /** Digest of the conversation's first message: two agents of one session rarely share it. */
  first: string;
  /** Tools of the last turn, as JSON. */
  toolsJson: string;
  /** Tool calls begun for the client, not yet ended. */
  readonly openCalls: Set<string>;
  /** A session's main lane: later requests find it by the session's name. */
  readonly isNamed: boolean;
  /** A request of it is under way. */
  isBusy: boolean;
}

/** A lane taken for one request. */
export interface LaneHit {
  readonly lane: Lane;
  /** Where the conversation stood before: put back when the request fails. */
  readonly head: string;
  /** Leading messages of the request that the program knows. */
  readonly knownMessages: number;
}

/**
 * Which program a conversation belongs to: by the digest of everything said so far, answer included, and by session.
 * Bounded: what was used longest ago is forgotten first; its program ends by its idle limit.
 */
export class ConversationIndex {
  readonly #maxLanes: number;
  readonly #byHead = new Map<string, Lane>();
  readonly #bySession = new Map<string, Lane>();

  constructor({ maxLanes }: { readonly maxLanes: number }) {
    this.#maxLanes = maxLanes;
  }

  /** Entries held. */
  get size(): number {
    return this.#byHead.size + this.#bySession.size;
  }

  /**
   * Modifies state. Takes the lane of the longest conversation that the request's messages properly extend. Its head is
   * removed, so that a request beside it finds none.
   */
  take(chain: readonly string[]): LaneHit | null {
    for (let knownMessages = chain.length - 1; knownMessages > 0; knownMessages -= 1) {
      const head = chain[knownMessages - 1] ?? '';
      const lane = this.#byHead.get(head);
      if (lane === undefined || lane.isBusy) continue;
      this.#byHead.delete(head);
      lane.isBusy = true;
      return { lane, head, knownMessages };
    }
    return null;
  }

  /** Modifies state. A lane's request has ended; null when where it stands is not known. */
  giveBack(lane: Lane, head: string | null): void {
    lane.isBusy = false;
    if (head === null) return;
    put(this.#byHead, { key: head, lane, maxEntries: this.#maxLanes });
  }

  /** Modifies state: it counts as used. */
  ofSession(sessionId: string): Lane | null {
    const lane = this.#bySession.get(sessionId);
    if (lane === undefined) return null;
    put(this.#bySession, { key: sessionId, lane, maxEntries: this.#maxLanes });
    return lane;
  }

  /** Modifies state. From now on the session's conversation is this one. */
  setSession(sessionId: string, lane: Lane): void {
    put(this.#bySession, { key: sessionId, lane, maxEntries: this.#maxLanes });
  }
}

const put = (
  lanes: Map<string, Lane>,
  { key, lane, maxEntries }: { readonly key: string; readonly lane: Lane; readonly maxEntries: number },
): void => {
  lanes.delete(key);
  lanes.set(key, lane);
  for (const oldest of lanes.keys()) {
    if (lanes.size <= maxEntries) return;
    lanes.delete(oldest);
  }
};
