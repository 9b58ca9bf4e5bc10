-- Tenants, their keys, what operators changed, and engines registered while the service runs.

-- CreateEnum
CREATE TYPE "key_role" AS ENUM ('agent', 'viewer', 'operator', 'admin');

-- CreateTable
CREATE TABLE "tenant" (
    "tenant_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at_micros" BIGINT NOT NULL,
    "max_live_programs" INTEGER,
    "turns_per_second" DOUBLE PRECISION,
    "max_pinned_tokens" BIGINT,

    CONSTRAINT "tenant_pkey" PRIMARY KEY ("tenant_id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "key_id" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "role" "key_role" NOT NULL,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "created_at_micros" BIGINT NOT NULL,
    "expires_at_micros" BIGINT,
    "revoked_at_micros" BIGINT,

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("key_id")
);

-- CreateTable
CREATE TABLE "audit_entry" (
    "entry_id" TEXT NOT NULL,
    "at_micros" BIGINT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "key_id" TEXT,
    "role" "key_role" NOT NULL,
    "action" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "of_tenant" TEXT NOT NULL,
    "details" JSONB NOT NULL,
    "request_id" TEXT NOT NULL,

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("entry_id")
);

-- CreateTable
CREATE TABLE "registered_engine" (
    "engine_id" TEXT NOT NULL,
    "pool_id" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "kv_control_address" TEXT,
    "registered_at_micros" BIGINT NOT NULL,

    CONSTRAINT "registered_engine_pkey" PRIMARY KEY ("pool_id","engine_id")
);

-- CreateIndex
CREATE INDEX "program_tenant_id_started_at_micros_program_id_idx" ON "program"("tenant_id", "started_at_micros" DESC, "program_id" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "api_key_prefix_key" ON "api_key"("prefix");

-- CreateIndex
CREATE INDEX "api_key_tenant_id_created_at_micros_key_id_idx" ON "api_key"("tenant_id", "created_at_micros" DESC, "key_id" DESC);

-- CreateIndex
CREATE INDEX "audit_entry_at_micros_entry_id_idx" ON "audit_entry"("at_micros" DESC, "entry_id" DESC);

-- CreateIndex
CREATE INDEX "audit_entry_of_tenant_at_micros_entry_id_idx" ON "audit_entry"("of_tenant", "at_micros" DESC, "entry_id" DESC);

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("tenant_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What ran before there were tenants belongs to this one; it also operates the service.
INSERT INTO "tenant" ("tenant_id", "name", "version", "created_at_micros")
VALUES ('default', 'default', 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
