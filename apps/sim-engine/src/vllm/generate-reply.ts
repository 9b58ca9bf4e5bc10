import type { vllm } from '@holdfast/contracts';
import type { Instant } from '@holdfast/scheduling';
import type { FinishedRequest } from '@holdfast/simulation';
import type { RequestObserver } from '../engine-driver.js';
import { outputLogprobs } from '../output/output-logprobs.js';
import type { AcceptedRequest } from './accepted-request.js';
import type { GeneratePeer } from './generate-peer.js';
import { writeHintAnswer } from './hints.js';

/** How a request ended. */
type Ending = Omit<
  vllm.GenerateComplete,
  'outputIds' | 'outputLogprobs' | 'promptTokens' | 'completionTokens' | 'cachedTokens'
>;

const NO_ENDING_EXTRAS = {
  index: 0,
  matchedStop: undefined,
  specAcceptedTokens: 0,
  specDraftTokens: 0,
} satisfies Omit<Ending, 'finishReason'>;

/**
 * Writes one answer. While the peer does not read, new tokens gather here (the bound is the request's own output) and go
 * out as one chunk when it reads again.
 */
export class GenerateReply implements RequestObserver {
  private readonly outputIds: number[] = [];
  private sentTokens = 0;
  private cachedTokens = 0;
  private ending: Ending | undefined;
  private isBlocked = false;
  private isOpen = true;

  constructor(
    private readonly peer: GeneratePeer,
    private readonly request: AcceptedRequest,
    private readonly epoch: string,
  ) {
    peer.onDrain(() => {
      this.isBlocked = false;
      this.flush();
    });
  }

  /** True once a token came out. */
  get hasOutput(): boolean {
    return this.outputIds.length > 0;
  }

  onTokens(tokenIds: readonly number[], cachedTokens: number): void {
    for (const id of tokenIds) this.outputIds.push(id);
    this.cachedTokens = cachedTokens;
    if (this.request.isStreamed) this.flush();
  }

  onFinished(finished: FinishedRequest, at: Instant): void {
    const { plan, hints } = this.request;
    this.cachedTokens = finished.cachedTokens;
    this.end({
      ...NO_ENDING_EXTRAS,
      finishReason: finished.finishReason === 'error' ? 'error' : plan.finishReason,
      matchedStop: matchedStop(plan),
      ...(hints === undefined ? {} : { kvTransferParamsJson: writeHintAnswer(finished.pin, this.epoch, at) }),
    });
  }

  /** Ends the answer early, with what there is. */
  onAborted(): void {
    this.end({ ...NO_ENDING_EXTRAS, finishReason: 'abort' });
  }

  /** Ends the answer with an error. */
  fail(error: unknown): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.peer.fail(error);
  }

  /** The peer is gone: nothing is written any more. */
  close(): void {
    this.isOpen = false;
  }

  private end(ending: Ending): void {
    this.ending = ending;
    this.flush();
  }

  private flush(): void {
    if (!this.isOpen || this.isBlocked) return;
    if (this.request.isStreamed && this.sentTokens < this.outputIds.length) {
      const from = this.sentTokens;
      const tokenIds = this.outputIds.slice(from);
      this.sentTokens = this.outputIds.length;
      this.isBlocked = !this.peer.write({ response: { $case: 'chunk', value: this.chunk(tokenIds, from) } });
    }
    if (this.ending === undefined || this.isBlocked) return;
    this.isOpen = false;
    const output = { outputIds: this.outputIds, outputLogprobs: this.logprobs(this.outputIds, 0) };
    this.peer.end({ response: { $case: 'complete', value: { ...this.ending, ...this.counts(), ...output } } });
  }

  private chunk(tokenIds: number[], from: number): vllm.GenerateStreamChunk {
    return { tokenIds, ...this.counts(), outputLogprobs: this.logprobs(tokenIds, from), index: 0 };
  }

  private logprobs(tokenIds: readonly number[], from: number): vllm.OutputLogProbs | undefined {
    const { logprobs: candidates, plan } = this.request;
    if (candidates === undefined || tokenIds.length === 0) return undefined;
    return outputLogprobs({ tokenIds, from, state: plan.state, candidates });
  }

  private counts(): Pick<vllm.GenerateComplete, 'promptTokens' | 'completionTokens' | 'cachedTokens'> {
    return {
      promptTokens: this.request.promptIds.length,
      completionTokens: this.outputIds.length,
      cachedTokens: this.cachedTokens,
    };
  }
}

const matchedStop = ({ matchedTokenId, matchedStopString }: AcceptedRequest['plan']): Ending['matchedStop'] => {
  if (matchedTokenId !== undefined) return { $case: 'matchedTokenId', value: matchedTokenId };
  return matchedStopString === undefined ? undefined : { $case: 'matchedStopStr', value: matchedStopString };
};
