/**
 * Spans of work on chunks, as docs/tracing.md describes them: inside an engine call what is looked up, planned and executed;
 * builds by themselves.
 */
import { attributes, spans } from '@holdfast/platform';
import type { chunk } from '@holdfast/contracts';
import { SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';

const tracer = trace.getTracer('@holdfast/control-plane');

/** Starts spans of what is done for one engine call; those that are open at its end end with it. */
export class ChunkSpans {
  readonly #inside: Context;
  readonly #open = new Set<Span>();
  #execute: Span | null = null;

  constructor(inside: Context) {
    this.#inside = inside;
  }

  /** Modifies state. The stored variants of the prompt's chunks are looked up; returns what ends it. */
  lookup(): (found: { readonly chunks: number; readonly variants: number }) => void {
    const span = this.#start(spans.chunkLookup);
    return ({ chunks, variants }) => {
      span.setAttributes({ [attributes.chunkCount]: chunks, [attributes.chunkVariants]: variants });
      this.#end(span);
    };
  }

  /** Modifies state. What to reuse is decided; returns what ends it. */
  plan(planner: string): (made: ChunkPlanFacts) => void {
    const span = this.#start(spans.chunkPlan);
    return ({ recomputeShare, reason, isShadowed, lowered }) => {
      span.setAttributes({
        [attributes.chunkPlanner]: planner,
        [attributes.chunkRecomputeShare]: recomputeShare,
        [attributes.chunkReason]: reason,
        [attributes.chunkShadowed]: isShadowed,
        ...(lowered.length === 0 ? {} : { [attributes.decisionLowering]: lowered.join(', ') }),
      });
      this.#end(span);
    };
  }

  /** Modifies state. The engine has the plan. */
  executing(): void {
    this.#execute = this.#start(spans.chunkExecute);
  }

  /** Modifies state. The engine call is over; `result` is what the engine says of the plan, if it got so far. */
  end(result: chunk.ExecuteResult | undefined): void {
    const span = this.#execute;
    if (span !== null && result !== undefined) {
      span.setAttributes({
        [attributes.chunkReusedTokens]: result.reusedTokens,
        [attributes.chunkComputedTokens]: result.computedTokens,
        [attributes.chunkMissed]: result.segments.filter(({ missReason }) => missReason !== 0).length,
        [attributes.chunkCaptured]: result.captured.length,
        [attributes.chunkLoadMillis]: result.timing?.loadMs ?? 0,
      });
      if (result.shadow !== undefined) this.#shadow(span, result.shadow);
    }
    for (const open of this.#open) open.end();
    this.#open.clear();
  }

  /** The engine does it last, and says how long it took. */
  #shadow(execute: Span, { klPerToken, tokenCount, tookMs }: chunk.ShadowResult): void {
    const context = trace.setSpan(this.#inside, execute);
    const span = tracer.startSpan(spans.chunkShadow, { startTime: Date.now() - tookMs }, context);
    span.setAttributes({ [attributes.chunkLoss]: klPerToken, [attributes.outputTokens]: tokenCount });
    span.end();
  }

  #start(name: string): Span {
    const span = tracer.startSpan(name, {}, this.#inside);
    this.#open.add(span);
    return span;
  }

  #end(span: Span): void {
    this.#open.delete(span);
    span.end();
  }
}

/** What a plan is, for its span. */
export interface ChunkPlanFacts {
  readonly recomputeShare: number;
  readonly reason: string;
  readonly isShadowed: boolean;
  readonly lowered: readonly string[];
}

/** Runs a build of variants in a span of its own: no program waits for it. Errors go on to the caller. */
export const inBuildSpan = async <Built extends { readonly length: number }>(
  facts: { readonly engineId: string; readonly chunks: number },
  run: () => Promise<Built>,
): Promise<Built> => {
  const { engineId, chunks } = facts;
  const own = { [attributes.engineId]: engineId, [attributes.chunkCount]: chunks };
  const span = tracer.startSpan(spans.chunkBuild, { root: true, attributes: own });
  try {
    const built = await run();
    span.setAttribute(attributes.chunkVariants, built.length);
    return built;
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
};
