-- Programs, turns, tool calls, pins, decisions, event logs, accepted requests and leases.

-- CreateEnum
CREATE TYPE "program_state" AS ENUM ('idle', 'queued', 'running', 'toolCall', 'completed', 'failed', 'timedOut');

-- CreateEnum
CREATE TYPE "turn_state" AS ENUM ('submitted', 'dispatched', 'started', 'finished', 'failed', 'cancelled');

-- CreateEnum
CREATE TYPE "turn_input_kind" AS ENUM ('append', 'prompt', 'appendMessages', 'conversation');

-- CreateEnum
CREATE TYPE "finish_reason" AS ENUM ('stop', 'length', 'abort');

-- CreateEnum
CREATE TYPE "tool_call_outcome" AS ENUM ('succeeded', 'failed', 'cancelled');

-- CreateEnum
CREATE TYPE "decision_kind" AS ENUM ('dispatch', 'retention', 'rejection');

-- CreateEnum
CREATE TYPE "pin_outcome" AS ENUM ('hit', 'expired', 'revoked', 'released', 'lost', 'replaced');

-- CreateTable
CREATE TABLE "program" (
    "program_id" TEXT NOT NULL,
    "pool_id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "program_class" TEXT NOT NULL,
    "state" "program_state" NOT NULL,
    "expected_turns" INTEGER,
    "expected_tokens" BIGINT,
    "idle_limit_micros" BIGINT NOT NULL,
    "started_at_micros" BIGINT NOT NULL,
    "last_active_at_micros" BIGINT NOT NULL,
    "ended_at_micros" BIGINT,
    "end_message" TEXT,
    "turns_finished" INTEGER NOT NULL,
    "tool_calls_ended" INTEGER NOT NULL,
    "context_tokens" INTEGER NOT NULL,
    "prompt_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "recomputed_tokens" BIGINT NOT NULL,
    "engine_id" TEXT,
    "traceparent" TEXT,

    CONSTRAINT "program_pkey" PRIMARY KEY ("program_id")
);

-- CreateTable
CREATE TABLE "turn" (
    "turn_id" TEXT NOT NULL,
    "program_id" TEXT NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "request_id" TEXT NOT NULL,
    "body_digest" BYTEA NOT NULL,
    "state" "turn_state" NOT NULL,
    "input_kind" "turn_input_kind" NOT NULL,
    "is_last" BOOLEAN NOT NULL,
    "keep_tokens" INTEGER NOT NULL,
    "appended_ids" BYTEA NOT NULL,
    "output_ids" BYTEA,
    "messages" JSONB,
    "output_text" TEXT,
    "prompt_tokens" INTEGER NOT NULL,
    "cached_tokens" INTEGER,
    "output_tokens" INTEGER,
    "recomputed_tokens" INTEGER,
    "finish_reason" "finish_reason",
    "engine_id" TEXT,
    "submitted_at_micros" BIGINT NOT NULL,
    "dispatched_at_micros" BIGINT,
    "started_at_micros" BIGINT,
    "finished_at_micros" BIGINT,
    "failure_reason" TEXT,
    "failure_message" TEXT,

    CONSTRAINT "turn_pkey" PRIMARY KEY ("turn_id")
);

-- CreateTable
CREATE TABLE "tool_call" (
    "program_id" TEXT NOT NULL,
    "tool_call_id" TEXT NOT NULL,
    "tool" TEXT NOT NULL,
    "command_class" TEXT,
    "timeout_micros" BIGINT,
    "began_at_micros" BIGINT NOT NULL,
    "ended_at_micros" BIGINT,
    "outcome" "tool_call_outcome",

    CONSTRAINT "tool_call_pkey" PRIMARY KEY ("program_id","tool_call_id")
);

-- CreateTable
CREATE TABLE "pin" (
    "pin_id" TEXT NOT NULL,
    "program_id" TEXT NOT NULL,
    "engine_id" TEXT NOT NULL,
    "engine_epoch" TEXT NOT NULL,
    "pinned_tokens" INTEGER NOT NULL,
    "set_at_micros" BIGINT NOT NULL,
    "expires_at_micros" BIGINT NOT NULL,
    "ended_at_micros" BIGINT,
    "outcome" "pin_outcome",
    "reason" TEXT,

    CONSTRAINT "pin_pkey" PRIMARY KEY ("pin_id")
);

-- CreateTable
CREATE TABLE "decision" (
    "pool_id" TEXT NOT NULL,
    "fencing_token" BIGINT NOT NULL,
    "decision_id" INTEGER NOT NULL,
    "at_micros" BIGINT NOT NULL,
    "kind" "decision_kind" NOT NULL,
    "policy" TEXT NOT NULL,
    "program_id" TEXT NOT NULL,
    "turn_id" TEXT,
    "engine_id" TEXT,
    "choice" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "inputs" JSONB NOT NULL,
    "lowering" TEXT,
    "outcome" "pin_outcome",
    "outcome_at_micros" BIGINT,

    CONSTRAINT "decision_pkey" PRIMARY KEY ("pool_id","fencing_token","decision_id")
);

-- CreateTable
CREATE TABLE "pool_event" (
    "pool_id" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "fencing_token" BIGINT NOT NULL,
    "at_micros" BIGINT NOT NULL,
    "event" JSONB NOT NULL,

    CONSTRAINT "pool_event_pkey" PRIMARY KEY ("pool_id","sequence")
);

-- CreateTable
CREATE TABLE "request" (
    "scope" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "body_digest" BYTEA NOT NULL,
    "result" BYTEA,
    "recorded_at_micros" BIGINT NOT NULL,

    CONSTRAINT "request_pkey" PRIMARY KEY ("scope","request_id")
);

-- CreateTable
CREATE TABLE "pool_lease" (
    "pool_id" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "fencing_token" BIGINT NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "pool_lease_pkey" PRIMARY KEY ("pool_id")
);

-- CreateIndex
CREATE INDEX "program_started_at_micros_program_id_idx" ON "program"("started_at_micros" DESC, "program_id" DESC);

-- CreateIndex
CREATE INDEX "program_pool_id_ended_at_micros_idx" ON "program"("pool_id", "ended_at_micros");

-- CreateIndex
CREATE INDEX "turn_program_id_ordinal_idx" ON "turn"("program_id", "ordinal");

-- CreateIndex
CREATE INDEX "turn_program_id_request_id_idx" ON "turn"("program_id", "request_id");

-- CreateIndex
CREATE INDEX "pin_program_id_set_at_micros_idx" ON "pin"("program_id", "set_at_micros");

-- CreateIndex
CREATE INDEX "decision_program_id_at_micros_idx" ON "decision"("program_id", "at_micros");

-- AddForeignKey
ALTER TABLE "turn" ADD CONSTRAINT "turn_program_id_fkey" FOREIGN KEY ("program_id") REFERENCES "program"("program_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tool_call" ADD CONSTRAINT "tool_call_program_id_fkey" FOREIGN KEY ("program_id") REFERENCES "program"("program_id") ON DELETE CASCADE ON UPDATE CASCADE;
