import type { ProgramId } from '@holdfast/scheduling';
import { programEnded, programNotFound } from './program-errors.js';
import type { ProgramServices } from './program-services.js';

/**
 * Modifies state. Turns of a program of larger priority are served first. Durable once the journal is flushed.
 *
 * @throws DomainError PROGRAM_ENDED, PROGRAM_NOT_FOUND.
 */
export const prioritizeProgram = (services: ProgramServices, programId: ProgramId, priority: number): void => {
  const program = services.book.find(programId);
  if (program === undefined) throw programNotFound(programId);
  if (program.end !== null) throw programEnded(programId, program.end.outcome);
  program.priority = priority;
  services.pool.post({ type: 'programPrioritized', programId, priority });
  services.journal.program(program, services.pool.program(programId));
  program.changed();
};
