import { after, between, micros, type Duration, type Instant } from '../../model/units.js';

/** When a policy that looks at the pool at intervals does so next; null before the first time. */
export interface CheckState {
  nextCheckAt: Instant | null;
}

/** Modifies `state`: at most one check a period, in its phase. The first one comes a period after the first question. */
export const isCheckDue = (state: CheckState, period: Duration, now: Instant): boolean => {
  if (state.nextCheckAt === null) {
    state.nextCheckAt = after(now, period);
    return false;
  }
  if (now < state.nextCheckAt) return false;
  state.nextCheckAt = after(now, micros(period - (between(state.nextCheckAt, now) % period)));
  return true;
};
