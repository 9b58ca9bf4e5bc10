-- CreateTable
CREATE TABLE "chunk_text" (
    "chunk_id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "salt" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "source_version" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "token_ids" BYTEA NOT NULL,
    "seen_at_micros" BIGINT NOT NULL,

    CONSTRAINT "chunk_text_pkey" PRIMARY KEY ("chunk_id")
);

-- CreateIndex
CREATE INDEX "chunk_text_tenant_id_source_idx" ON "chunk_text"("tenant_id", "source");
