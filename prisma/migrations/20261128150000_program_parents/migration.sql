-- AlterTable
ALTER TABLE "program" ADD COLUMN     "parent_id" TEXT;
