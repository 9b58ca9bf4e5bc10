import { instant, type Command, type PinChanged, type ProgramId } from '@holdfast/scheduling';

/**
 * A command as the limit of pinned tokens of its program's tenant allows it. A turn runs all the same, without the pin
 * that would have ridden on it; the engine then says that it holds nothing. A pin that is not asked for is reported as
 * refused, so that the kernel does not count on it.
 */
export const withinPinQuota = (
  command: Command,
  options: { readonly mayPin: (programId: ProgramId) => boolean; readonly refused: (change: PinChanged) => void },
): Command | null => {
  if (command.type === 'dispatchTurn') {
    const { pin, ...hints } = command.hints;
    return pin === undefined || options.mayPin(command.programId) ? command : { ...command, hints };
  }
  if (command.type !== 'setPin' || options.mayPin(command.programId)) return command;
  const { engineId, epoch, programId } = command;
  options.refused({
    type: 'pinChanged',
    engineId,
    epoch,
    programId,
    change: 'lost',
    pinnedTokens: 0,
    expiresAt: instant(0),
    reason: 'QUOTA_EXCEEDED',
  });
  return null;
};
