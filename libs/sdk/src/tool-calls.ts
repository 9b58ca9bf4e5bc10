/**
 * Reports of tool calls. They never delay, prevent or lose a tool's result: the tool runs while its begin is reported,
 * and its result is handed out while its end is. Only the program's next turn and its end wait for the reports, so that
 * the service sees everything in order. A report that fails for good becomes a warning.
 */
import { durationToProto, program as wire } from '@holdfast/contracts';
import { randomUUID } from 'node:crypto';
import type { Context } from '@opentelemetry/api';
import type { Connection } from './connection.js';

/** Only the class of a command is kept, and the wire takes no longer ones. */
const MAX_COMMAND_CHARACTERS = 4_096;

/** A tool call. */
export interface ToolOptions {
  /** Command line of a shell-like tool: what it is tells how long it will take. */
  readonly command?: string;
  /** Time in milliseconds after which the tool is given up: its signal aborts then. */
  readonly timeoutMs?: number;
  /** Id of the call, unique in the program, as the model gave it. Default: a random one. */
  readonly toolCallId?: string;
}

/** How a tool call ended. */
export type ToolOutcome = 'succeeded' | 'failed' | 'cancelled';

const outcomeToProto: Readonly<Record<ToolOutcome, wire.ToolCallOutcome>> = {
  succeeded: wire.ToolCallOutcome.SUCCEEDED,
  failed: wire.ToolCallOutcome.FAILED,
  cancelled: wire.ToolCallOutcome.CANCELLED,
};

/** A tool call that begins. */
export interface ToolBegin extends ToolOptions {
  readonly tool: string;
  readonly toolCallId: string;
  /** Trace context of the call. */
  readonly context: Context;
}

/** Reports the tool calls of one program. */
export class ToolCallReports {
  readonly #connection: Connection;
  readonly #programId: string;
  readonly #isEnded: () => boolean;
  readonly #pending = new Set<Promise<void>>();

  constructor(connection: Connection, programId: string, isEnded: () => boolean) {
    this.#connection = connection;
    this.#programId = programId;
    this.#isEnded = isEnded;
  }

  /** Resolves when every report so far was taken or given up. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** Reports the begin; the returned function reports the end. Modifies state. */
  begin(call: ToolBegin): (outcome: ToolOutcome) => void {
    const begun = this.#report(call, () => this.#begin(call));
    return (outcome) => {
      // The end of a program ends its open tool calls.
      if (this.#isEnded()) return;
      void this.#report(call, async () => {
        // Without a begin there is nothing to end.
        if (await begun) await this.#end(call, outcome);
      });
    };
  }

  /** Runs a report in the background; the promise tells whether it was taken. */
  #report(call: ToolBegin, send: () => Promise<unknown>): Promise<boolean> {
    const taken = send().then(
      () => true,
      (error: unknown) => {
        this.#connection.settings.warn({
          kind: 'toolCallNotReported',
          message: `tool call ${call.toolCallId} (${call.tool}) of program ${this.#programId} was not reported: ${String(error)}`,
          programId: this.#programId,
          toolCallId: call.toolCallId,
          error,
        });
        return false;
      },
    );
    const pending = taken.then(() => {
      this.#pending.delete(pending);
    });
    this.#pending.add(pending);
    return taken;
  }

  async #begin({ toolCallId, tool, command = '', timeoutMs, context }: ToolBegin): Promise<void> {
    const request: wire.BeginToolCallRequest = {
      requestId: randomUUID(),
      programId: this.#programId,
      toolCallId,
      tool,
      command: command.slice(0, MAX_COMMAND_CHARACTERS),
      timeout: timeoutMs === undefined ? undefined : durationToProto(Math.round(timeoutMs * 1_000)),
    };
    await this.#connection.unary(wire.ProgramServiceService.beginToolCall, request, { signal: unaborted(), context });
  }

  async #end({ toolCallId, context }: ToolBegin, outcome: ToolOutcome): Promise<void> {
    const request: wire.EndToolCallRequest = {
      requestId: randomUUID(),
      programId: this.#programId,
      toolCallId,
      outcome: outcomeToProto[outcome],
    };
    await this.#connection.unary(wire.ProgramServiceService.endToolCall, request, { signal: unaborted(), context });
  }
}

/** Bookkeeping goes on after its work was aborted; its deadline bounds it. */
const unaborted = (): AbortSignal => new AbortController().signal;
