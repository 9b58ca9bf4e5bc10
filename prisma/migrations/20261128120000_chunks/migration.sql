-- CreateTable
CREATE TABLE "chunk_variant" (
    "engine_id" TEXT NOT NULL,
    "variant_id" TEXT NOT NULL,
    "generation" BIGINT NOT NULL,
    "chunk_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "salt" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "source_version" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "token_digest" TEXT NOT NULL,
    "foundation" TEXT NOT NULL,
    "foundation_digest" TEXT NOT NULL,
    "preceding" JSONB NOT NULL,
    "intra" DOUBLE PRECISION NOT NULL,
    "impact" DOUBLE PRECISION NOT NULL,
    "length_tokens" INTEGER NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "depth" INTEGER NOT NULL,
    "token_ranks" BYTEA,
    "stored_at_micros" BIGINT NOT NULL,

    CONSTRAINT "chunk_variant_pkey" PRIMARY KEY ("engine_id","variant_id")
);

-- CreateTable
CREATE TABLE "chunk_tenant" (
    "tenant_id" TEXT NOT NULL,
    "salt" TEXT NOT NULL,
    "quota_bytes" BIGINT,
    "version" INTEGER NOT NULL,

    CONSTRAINT "chunk_tenant_pkey" PRIMARY KEY ("tenant_id")
);

-- CreateIndex
CREATE INDEX "chunk_variant_tenant_id_source_idx" ON "chunk_variant"("tenant_id", "source");
