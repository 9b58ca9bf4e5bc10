/** Runs one request of the OpenAI form as a turn of its conversation's program, and answers it. */
import { DomainError, isDomainError } from '@holdfast/platform';
import { toMillisCeil } from '@holdfast/scheduling';
import { program as wire } from '@holdfast/contracts';
import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { randomUUID } from 'node:crypto';
import { endProgram } from '../programs/end-program.js';
import { checkRequest, requestSchemas } from '../programs/request-schemas.js';
import { cancelTurn, runOwnTurn } from '../programs/run-turn.js';
import { requireModel } from '../programs/turn-planning.js';
import type { LiveTurn, TurnResult } from '../turns/live-turn.js';
import type { AnswerForm, AnswerIdentity } from './answer-form.js';
import { AnswerRelay, eventOf } from './answer-relay.js';
import type { AnswerEnd, AnswerText } from './answer-text.js';
import { claimLane, type LaneClaim, type LaneContext } from './claim-lane.js';
import type { Lane } from './conversation-index.js';
import type { HttpSpan } from './http-span.js';
import { endInferred } from './inferred-tool-calls.js';
import { openAiFailure } from './openai-error.js';
import type { SessionKey } from './session-key.js';

/** What all requests share. */
export interface AnswerContext extends LaneContext {
  readonly logger: Logger;
}

/** An HTTP request, as far as conversations go. */
export interface Asked {
  readonly tenantId: string;
  readonly session: SessionKey | null;
  readonly programClass: string;
  readonly span: HttpSpan;
  readonly response: ServerResponse;
}

/** One request, translated. */
export interface Question {
  readonly model: string;
  readonly chain: readonly string[];
  /** The turn's input, given what the program knows already. */
  readonly inputFor: (claim: LaneClaim) => NonNullable<wire.RunTurnRequest['input']>;
  readonly sampling: wire.Sampling;
  readonly chunks: readonly wire.Chunk[];
  /** Field of the request that asks for a form of the answer; null when none does. */
  readonly formField: string | null;
  /** No later request belongs to its program. */
  readonly isOnlyTurn: boolean;
  readonly form: (identity: AnswerIdentity) => AnswerForm;
  readonly text: AnswerText;
  readonly isStreamed: boolean;
  readonly includeUsage: boolean;
  /** Closes the books: the lane goes back, with where the conversation stands now. */
  readonly onFinished: (claim: LaneClaim, answer: FinishedAnswer) => void;
}

/** How a turn was answered. */
export interface FinishedAnswer {
  readonly turn: LiveTurn;
  readonly result: TurnResult;
  readonly end: AnswerEnd;
}

/** Programs that are begun for one request at most, beside the one that it belongs to. */
const MAX_NEW_PROGRAMS = 1;

/**
 * Modifies state. The answer goes out later; what is thrown is the client's to be told.
 *
 * @throws DomainError of all that a turn may be refused for.
 */
export const answerRequest = async (context: AnswerContext, asked: Asked, question: Question): Promise<void> => {
  const { model } = requireModel(context.services);
  if (question.model !== model) throw modelNotFound(question.model, model);
  requireForm(question);
  await context.services.text.load();
  await ask(context, { asked, question, model, newPrograms: MAX_NEW_PROGRAMS });
};

/** The one part of a turn that the schemas of requests leave open: it may have been made of several of their fields. */
const requireForm = (question: Question): void => {
  const { structuredOutput } = question.sampling;
  if (structuredOutput === undefined) return;
  try {
    checkRequest(requestSchemas.structuredOutput, { structuredOutput });
  } catch (error) {
    throw isDomainError(error) ? withOwnFields(error, question) : error;
  }
};

interface Asking {
  readonly asked: Asked;
  readonly question: Question;
  readonly model: string;
  /** That may yet be begun. */
  readonly newPrograms: number;
}

const ask = async (context: AnswerContext, asking: Asking): Promise<void> => {
  const { asked, question } = asking;
  const claim = await claimLane(context, { ...asked, chain: question.chain });
  try {
    await endInferred(context, claim.lane);
    const request: wire.RunTurnRequest = {
      requestId: randomUUID(),
      programId: claim.lane.programId,
      input: question.inputFor(claim),
      sampling: question.sampling,
      last: question.isOnlyTurn,
      chunks: [...question.chunks],
    };
    const caller = asked.span.caller(context.services.book.live(claim.lane.programId)?.trace.context);
    relay(context, { ...asking, claim, turn: await runOwnTurn(context.services, request, caller) });
  } catch (error) {
    giveBackUnanswered(context, claim);
    await askAnew(context, asking, error);
  }
};

/**
 * A program may end by its idle limit in the very moment of its next request: the conversation then goes on in another.
 *
 * @throws the error that it is not so.
 */
const askAnew = async (context: AnswerContext, asking: Asking, error: unknown): Promise<void> => {
  const { response } = asking.asked;
  const hasEnded = isDomainError(error) && error.reason === 'PROGRAM_ENDED';
  if (!hasEnded || asking.newPrograms === 0 || response.headersSent || response.destroyed) throw error;
  await ask(context, { ...asking, newPrograms: asking.newPrograms - 1 });
};

/** Modifies state. A program that no later request can find has no future. */
const giveBackUnanswered = (context: AnswerContext, { lane, head }: LaneClaim): void => {
  context.index.giveBack(lane, head);
  if (head === null && !lane.isNamed) endLane(context, lane, wire.ProgramOutcome.FAILED);
};

const endLane = ({ services, logger }: AnswerContext, { programId }: Lane, outcome: wire.ProgramOutcome): void => {
  endProgram(services, { requestId: randomUUID(), programId, outcome, message: '' }).catch((error: unknown) => {
    // It has ended meanwhile, or the service is ending; if not, it ends by its idle limit.
    logger.debug({ err: error, programId }, 'a program of one request could not be ended');
  });
};

interface Running extends Asking {
  readonly claim: LaneClaim;
  readonly turn: LiveTurn;
}

const relay = (context: AnswerContext, running: Running): void => {
  const { asked, question, claim, turn, model } = running;
  const { services, logger } = context;
  const { response, tenantId } = asked;
  const giveUp = (): void => {
    if (isSettled) return;
    isSettled = true;
    answer.close();
    if (turn.readers === 0) cancelTurn(services, turn);
    giveBackUnanswered(context, claim);
  };
  let isSettled = false;
  const answer = new AnswerRelay({
    tenantId,
    turn,
    response,
    form: question.form({ id: turn.turnId, model, created: Math.floor(Date.now() / 1_000) }),
    text: question.text,
    decoder: services.text.decoder(),
    textOf: (tokenId) => services.text.tokenText(tokenId),
    isStreamed: question.isStreamed,
    includeUsage: question.includeUsage,
    onFinished: (result, end) => {
      isSettled = true;
      question.onFinished(claim, { turn, result, end });
      if (question.isOnlyTurn) endLane(context, claim.lane, wire.ProgramOutcome.COMPLETED);
    },
    onFailed: (error) => {
      giveUp();
      askAnew(context, running, withOwnFields(error, question)).catch((thrown: unknown) =>
        sendFailure(response, thrown, logger),
      );
    },
    startStallTimer: () => {
      const timer = setTimeout(() => {
        logger.info({ turnId: turn.turnId }, 'a client that takes nothing of its stream was cut off');
        giveUp();
        response.destroy();
      }, toMillisCeil(services.limits.callerStallLimit));
      return () => clearTimeout(timer);
    },
  });
  response.on('close', giveUp);
  if (response.destroyed) giveUp();
};

/** Modifies state. Ends the answer with an error: as its status and body, or as an event when the body has begun. */
export const sendFailure = (response: ServerResponse, thrown: unknown, logger: Logger): void => {
  if (response.destroyed || response.writableEnded) return;
  const { status, headers, body } = openAiFailure(thrown, logger);
  if (response.headersSent) {
    response.end(`${eventOf(body)}data: [DONE]\n\n`);
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

/** Pure. The failure with its fields as the request has them. */
const withOwnFields = (error: DomainError, { formField }: Question): DomainError => {
  if (error.fieldViolations.length === 0) return error;
  const ownName = (field: string): string => {
    const name = field.replace(/^sampling\./, '');
    return formField !== null && FORMS.has(name) ? formField : name;
  };
  const fieldViolations = error.fieldViolations.map((violation) => ({ ...violation, field: ownName(violation.field) }));
  const { kind, reason, message, metadata, retryAfter } = error;
  const more = retryAfter === undefined ? {} : { retryAfter };
  return new DomainError({ kind, reason, message, metadata, fieldViolations, cause: error, ...more });
};

const FORMS: ReadonlySet<string> = new Set([
  'json_schema',
  'json_object',
  'regex',
  'grammar',
  'choice',
  'structured_output',
]);

const modelNotFound = (wanted: string, served: string): DomainError =>
  new DomainError({
    kind: 'notFound',
    reason: 'MODEL_NOT_FOUND',
    message: `model ${JSON.stringify(wanted)} is not served here; allowed: ${JSON.stringify(served)}`,
    metadata: { model: wanted },
    fieldViolations: [{ field: 'model', description: `is ${JSON.stringify(wanted)}` }],
  });
