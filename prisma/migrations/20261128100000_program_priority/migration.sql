-- Priority of a program, as an operator sets it.

-- AlterTable
ALTER TABLE "program" ADD COLUMN "priority" INTEGER NOT NULL DEFAULT 0;
