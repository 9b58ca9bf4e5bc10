-- AlterTable
ALTER TABLE "pool_statistics" ADD COLUMN     "forgotten_before_micros" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "forgotten_tools" JSONB NOT NULL DEFAULT '{}';
