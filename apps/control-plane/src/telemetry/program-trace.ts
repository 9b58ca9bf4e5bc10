/**
 * One trace a program, as docs/tracing.md describes it: program, turn, queue wait, engine generate (prefill, decode),
 * tool call, pin. The program's parent is the caller's span at StartProgram; the engine call carries the context on.
 */
import {
  type Context,
  type Span,
  type SpanContext,
  type Link,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { attributes, contextOf, spans, traceparentOf, type DomainError } from '@holdfast/platform';
import type { chunk } from '@holdfast/contracts';
import type { Decision } from '@holdfast/scheduling';
import type { OpenToolCall, ProgramFacts } from '../programs/live-program.js';
import type { LiveTurn, TurnDispatch, TurnResult } from '../turns/live-turn.js';
import { ChunkSpans } from './chunk-spans.js';
import { type CallerTrace, traceFields } from './caller-trace.js';

/** How an engine call ended. */
export type EngineCallOutcome =
  | {
      readonly outcome: 'finished';
      readonly promptTokens: number;
      readonly cachedTokens: number;
      readonly outputTokens: number;
      /** Where the engine ran a plan. */
      readonly chunks?: chunk.ExecuteResult;
    }
  | { readonly outcome: 'failed'; readonly error: DomainError }
  | { readonly outcome: 'aborted' };

/** What is asked of the engine. */
export interface EngineCallFacts {
  readonly model: string;
  /** Messages came in, not token ids. */
  readonly isText: boolean;
}

/** The span of one engine call, and the trace context that goes along with it. */
export interface EngineCallTrace {
  readonly context: { readonly traceparent?: string; readonly tracestate?: string };
  /** What is done about the prompt's chunks. */
  readonly chunks: ChunkSpans;
  firstToken(): void;
  end(outcome: EngineCallOutcome): void;
}

const tracer = trace.getTracer('@holdfast/control-plane');

/** The spans of one program. */
export class ProgramTrace {
  /** Of the program's span. */
  readonly context: Context;
  readonly #span: Span;
  /** Of the turn that was submitted last: what sets a pin and what hits it. */
  #lastTurn: SpanContext | null = null;
  readonly #toolCalls = new Map<string, Span>();
  readonly #pins = new Map<string, Span>();

  private constructor(span: Span, parent: Context) {
    this.#span = span;
    this.context = trace.setSpan(parent, span);
  }

  /** Starts the program's span below the call that started it, or below `traceparent` after a restart. */
  static start(facts: ProgramFacts, parent: CallerTrace | { readonly traceparent: string | null }): ProgramTrace {
    const context = 'context' in parent ? parent.context : contextOf(parent.traceparent ?? undefined);
    const span = tracer.startSpan(
      spans.program,
      {
        attributes: {
          [attributes.operationName]: 'invoke_agent',
          [attributes.conversationId]: facts.programId,
          ...(facts.name === '' ? {} : { [attributes.agentName]: facts.name }),
          [attributes.programId]: facts.programId,
          [attributes.programName]: facts.name,
          [attributes.programClass]: facts.programClass,
          [attributes.requestModel]: facts.model,
          ...('context' in parent ? {} : { [attributes.isRestored]: true }),
        },
      },
      context,
    );
    return new ProgramTrace(span, context);
  }

  /** W3C traceparent of the program's span; undefined when nothing is traced. */
  get traceparent(): string | undefined {
    return traceparentOf(this.context);
  }

  /** Starts a turn's span: below its rpc when that is of the program's trace, else below the program with a link. */
  turnSubmitted(turn: LiveTurn, caller: CallerTrace): TurnTrace {
    const ownTrace = this.#span.spanContext().traceId;
    const rpc = trace.getSpanContext(caller.context);
    const isSameTrace = rpc !== undefined && rpc.traceId === ownTrace;
    const parent = isSameTrace ? caller.context : this.context;
    const span = tracer.startSpan(
      spans.turn,
      {
        attributes: { [attributes.programId]: turn.programId, [attributes.turnId]: turn.turnId },
        ...(isSameTrace || rpc === undefined ? {} : { links: [{ context: rpc }] }),
      },
      parent,
    );
    this.#lastTurn = span.spanContext();
    return new TurnTrace(span, trace.setSpan(parent, span));
  }

  toolCallBegan(toolCallId: string, call: OpenToolCall): void {
    const span = tracer.startSpan(
      spans.toolCall,
      {
        attributes: {
          [attributes.operationName]: 'execute_tool',
          [attributes.toolCallId]: toolCallId,
          [attributes.toolName]: call.tool,
          ...(call.commandClass === null ? {} : { [attributes.commandClass]: call.commandClass }),
        },
      },
      this.context,
    );
    this.#toolCalls.set(toolCallId, span);
  }

  toolCallEnded(toolCallId: string, outcome: 'succeeded' | 'failed' | 'cancelled' | 'unreported'): void {
    const span = this.#toolCalls.get(toolCallId);
    this.#toolCalls.delete(toolCallId);
    span?.setAttribute(attributes.toolOutcome, outcome);
    if (outcome === 'failed') span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
  }

  pinSet(pin: { readonly pinId: string; readonly engineId: string; readonly pinnedTokens: number }): void {
    const span = tracer.startSpan(
      spans.pin,
      {
        attributes: { [attributes.engineId]: pin.engineId, [attributes.pinnedTokens]: pin.pinnedTokens },
        links: this.#lastTurnLinks('set_by'),
      },
      this.context,
    );
    this.#pins.set(pin.pinId, span);
  }

  pinRenewed(pinId: string): void {
    this.#pins.get(pinId)?.addEvent(spans.pinRenewedEvent);
  }

  /** Also after the program's end: its pins are let go a moment later. */
  pinEnded(pinId: string, outcome: string): void {
    const span = this.#pins.get(pinId);
    this.#pins.delete(pinId);
    if (outcome === 'hit') span?.addLinks(this.#lastTurnLinks('hit_by'));
    span?.setAttribute(attributes.pinOutcome, outcome);
    span?.end();
  }

  /** A decision of the kernel about no turn: on the tool call that it is for, else on the program. */
  decided(decision: Decision): void {
    addDecision([...this.#toolCalls.values()].at(-1) ?? this.#span, decision);
  }

  /** The program goes on in another process, and so do its pins. */
  handOver(): void {
    for (const pinId of [...this.#pins.keys()]) this.pinEnded(pinId, 'handed_over');
    this.end('handed_over');
  }

  /** Ends the program's span, and tool calls whose end nobody reported. Its pins end by `pinEnded`. */
  end(outcome: string): void {
    for (const toolCallId of [...this.#toolCalls.keys()]) this.toolCallEnded(toolCallId, 'unreported');
    this.#span.setAttribute(attributes.programOutcome, outcome);
    if (outcome === 'failed') this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
  }

  #lastTurnLinks(role: 'set_by' | 'hit_by'): Link[] {
    return this.#lastTurn === null ? [] : [{ context: this.#lastTurn, attributes: { [attributes.pinLink]: role } }];
  }
}

/** The spans of one turn. */
export class TurnTrace {
  readonly #span: Span;
  readonly #context: Context;
  #queueWait: Span | null;

  constructor(span: Span, context: Context) {
    this.#span = span;
    this.#context = context;
    this.#queueWait = tracer.startSpan(spans.queueWait, {}, context);
  }

  /** A decision of the kernel about this turn. */
  decided(decision: Decision): void {
    addDecision(this.#span, decision);
  }

  /** The wait is over: starts the span of the engine call. */
  dispatched(dispatch: TurnDispatch, { model, isText }: EngineCallFacts): EngineCallTrace {
    this.#queueWait?.end();
    this.#queueWait = null;
    const span = tracer.startSpan(
      spans.generate,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          [attributes.engineId]: dispatch.engineId,
          [attributes.engineEpoch]: dispatch.epoch,
          [attributes.attempt]: dispatch.attempt,
          [attributes.operationName]: isText ? 'chat' : 'text_completion',
          [attributes.requestModel]: model,
        },
      },
      this.#context,
    );
    const inside = trace.setSpan(this.#context, span);
    const chunks = new ChunkSpans(inside);
    let phase = tracer.startSpan(spans.prefill, {}, inside);
    return {
      context: traceFields(span, this.#context),
      chunks,
      firstToken: () => {
        phase.end();
        phase = tracer.startSpan(spans.decode, {}, inside);
      },
      end: (outcome) => {
        phase.end();
        chunks.end(outcome.outcome === 'finished' ? outcome.chunks : undefined);
        endEngineCall(span, outcome);
      },
    };
  }

  /** The turn waits again. */
  requeued(): void {
    this.#queueWait ??= tracer.startSpan(spans.queueWait, {}, this.#context);
  }

  end(end: { readonly result: TurnResult; readonly outputTokens: number } | { readonly error: DomainError }): void {
    this.#queueWait?.end();
    this.#queueWait = null;
    if ('error' in end) {
      this.#span.setAttribute(attributes.errorType, end.error.reason);
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: end.error.reason });
    } else {
      this.#span.setAttributes({
        [attributes.inputTokens]: end.result.promptTokens,
        [attributes.outputTokens]: end.outputTokens,
        [attributes.cachedTokens]: end.result.cachedTokens,
        [attributes.recomputedTokens]: end.result.recomputedTokens,
        [attributes.finishReasons]: [end.result.finishReason],
      });
    }
    this.#span.end();
  }
}

const addDecision = (span: Span, decision: Decision): void => {
  // Before anything is put into words: a program that is not recorded must not pay for it.
  if (!span.isRecording()) return;
  span.addEvent(spans.decisionEvent, {
    [attributes.decisionId]: decision.decisionId,
    [attributes.decisionKind]: decision.kind,
    [attributes.decisionPolicy]: decision.policy,
    [attributes.decisionChoice]: decision.choice,
    [attributes.decisionReason]: decision.reason,
    [attributes.decisionInputs]: JSON.stringify(decision.inputs),
    ...(decision.lowering === undefined ? {} : { [attributes.decisionLowering]: decision.lowering }),
  });
};

const endEngineCall = (span: Span, end: EngineCallOutcome): void => {
  if (end.outcome === 'finished') {
    span.setAttributes({
      [attributes.inputTokens]: end.promptTokens,
      [attributes.outputTokens]: end.outputTokens,
      [attributes.cachedTokens]: end.cachedTokens,
    });
  } else {
    const reason = end.outcome === 'failed' ? end.error.reason : 'aborted';
    span.setAttribute(attributes.errorType, reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  }
  span.end();
};
