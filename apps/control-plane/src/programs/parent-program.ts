import { invalidFields } from '@holdfast/platform';
import { ownId, scopedId } from '../identity/tenant-ids.js';
import type { LiveProgram } from './live-program.js';
import { programEnded, programNotFound } from './program-errors.js';
import type { ProgramServices } from './program-services.js';
import type { ProgramToOpen } from './start-program.js';

/** Programs above a program at most: an agent that starts itself again and again is told so. */
const MOST_ABOVE = 8;

/**
 * Pure. The program that starts this one, null for none. There are no circles: a parent is there before its child, and keeps
 * the parent that it was started with.
 *
 * @throws DomainError PROGRAM_NOT_FOUND (another tenant's is not found either), PROGRAM_ENDED, FIELD_INVALID.
 */
export const parentOf = (services: ProgramServices, request: ProgramToOpen, tenantId: string): LiveProgram | null => {
  const given = request.parentProgramId;
  if (given === '') return null;
  const invalid = (description: string): Error => invalidFields([{ field: 'parent_program_id', description }]);
  if (given === request.programId)
    throw invalid(`is ${JSON.stringify(given)}, the program itself; allowed: another one`);
  const parentId = scopedId(tenantId, given, 'parent_program_id');
  const parent = services.book.find(parentId);
  if (parent === undefined) throw programNotFound(parentId);
  if (parent.end !== null) throw programEnded(parentId, parent.end.outcome);
  const above = [...ancestorsOf(services, parent)];
  if (above.length > MOST_ABOVE) {
    const path = above.map((program) => ownId(tenantId, program.programId)).join(' < ');
    const description = `is ${JSON.stringify(given)}: ${above.length} programs would stand above this one (${path})`;
    throw invalid(`${description}; allowed: at most ${MOST_ABOVE}`);
  }
  return parent;
};

/** The program, its parent, the parent of that, and so on. */
function* ancestorsOf(services: ProgramServices, program: LiveProgram): Generator<LiveProgram> {
  for (let next: LiveProgram | undefined = program; next !== undefined;) {
    yield next;
    const { parentId }: LiveProgram['facts'] = next.facts;
    next = parentId === undefined ? undefined : services.book.find(parentId);
  }
}
