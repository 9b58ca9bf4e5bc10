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

/** What bounds the index. */
export interface ConversationIndexOptions {
  readonly maxLanes: number;
  /** False for a program that has ended. */
  readonly isLive: (programId: ProgramId) => boolean;
}

/** Oldest entries looked at with each new one: more than one, so that those of ended programs go faster than they come. */
const SWEPT_AT_ONCE = 2;

/**
 * Which program a conversation belongs to: by the digest of everything said so far, answer included, and by session.
 * Bounded: what was used longest ago is forgotten first, its program ends by its idle limit; and what belongs to programs
 * that have ended goes as new ones come.
 */
export class ConversationIndex {
  readonly #options: ConversationIndexOptions;
  readonly #byHead = new Map<string, Lane>();
  readonly #bySession = new Map<string, Lane>();

  constructor(options: ConversationIndexOptions) {
    this.#options = options;
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
    this.#put(this.#byHead, head, lane);
  }

  /** Modifies state: it counts as used. */
  ofSession(sessionId: string): Lane | null {
    const lane = this.#bySession.get(sessionId);
    if (lane === undefined) return null;
    this.#put(this.#bySession, sessionId, lane);
    return lane;
  }

  /** Modifies state. From now on the session's conversation is this one. */
  setSession(sessionId: string, lane: Lane): void {
    this.#put(this.#bySession, sessionId, lane);
  }

  #put(lanes: Map<string, Lane>, key: string, lane: Lane): void {
    const { maxLanes, isLive } = this.#options;
    lanes.delete(key);
    lanes.set(key, lane);
    let swept = 0;
    for (const [oldest, { programId }] of lanes) {
      const isDue = lanes.size > maxLanes || (swept < SWEPT_AT_ONCE && !isLive(programId));
      if (!isDue) return;
      lanes.delete(oldest);
      swept += 1;
    }
  }
}
