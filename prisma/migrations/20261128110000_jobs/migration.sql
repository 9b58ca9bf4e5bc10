-- CreateTable
CREATE TABLE "job_effect" (
    "job_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "result" JSONB NOT NULL,
    "at_micros" BIGINT NOT NULL,

    CONSTRAINT "job_effect_pkey" PRIMARY KEY ("job_id")
);

-- CreateTable
CREATE TABLE "decision_roll_up" (
    "pool_id" TEXT NOT NULL,
    "hour_micros" BIGINT NOT NULL,
    "kind" "decision_kind" NOT NULL,
    "policy" TEXT NOT NULL,
    "choice" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "decisions" INTEGER NOT NULL,

    CONSTRAINT "decision_roll_up_pkey" PRIMARY KEY ("pool_id","hour_micros","kind","policy","choice","outcome")
);

-- CreateTable
CREATE TABLE "pool_statistics" (
    "pool_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "document" JSONB NOT NULL,
    "saved_at_micros" BIGINT NOT NULL,

    CONSTRAINT "pool_statistics_pkey" PRIMARY KEY ("pool_id")
);

-- CreateTable
CREATE TABLE "policy_document" (
    "pool_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "policy" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "created_at_micros" BIGINT NOT NULL,
    "created_by" TEXT,

    CONSTRAINT "policy_document_pkey" PRIMARY KEY ("pool_id","version")
);

-- CreateTable
CREATE TABLE "policy_activation" (
    "pool_id" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "version" INTEGER NOT NULL,
    "activated_at_micros" BIGINT NOT NULL,
    "activated_by" TEXT,
    "undoes" INTEGER,

    CONSTRAINT "policy_activation_pkey" PRIMARY KEY ("pool_id","sequence")
);

-- CreateTable
CREATE TABLE "policy_dry_run" (
    "job_id" TEXT NOT NULL,
    "pool_id" TEXT NOT NULL,
    "candidate" TEXT NOT NULL,
    "active" TEXT NOT NULL,
    "from_micros" BIGINT NOT NULL,
    "to_micros" BIGINT NOT NULL,
    "requested_at_micros" BIGINT NOT NULL,
    "requested_by" TEXT,
    "finished_at_micros" BIGINT,
    "result" JSONB,

    CONSTRAINT "policy_dry_run_pkey" PRIMARY KEY ("job_id")
);

-- CreateIndex
CREATE INDEX "request_recorded_at_micros_idx" ON "request"("recorded_at_micros");

-- CreateIndex
CREATE INDEX "job_effect_at_micros_idx" ON "job_effect"("at_micros");

-- CreateIndex
CREATE INDEX "policy_dry_run_pool_id_requested_at_micros_job_id_idx" ON "policy_dry_run"("pool_id", "requested_at_micros" DESC, "job_id" DESC);

-- CreateIndex
CREATE INDEX "decision_pool_id_at_micros_idx" ON "decision"("pool_id", "at_micros");
