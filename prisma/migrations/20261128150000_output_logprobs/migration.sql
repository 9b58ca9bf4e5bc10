-- AlterTable
ALTER TABLE "turn" ADD COLUMN     "output_logprobs" BYTEA;
