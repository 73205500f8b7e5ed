import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether the suite runs as a part of `npm test`, or by itself and at full size. */
    readonly faults: 'short' | 'full';
  }
}

/**
 * How much of it is done: `short` within `npm test`, `full` by `npm run test:faults`. A limit in time is the real one in
 * the full form alone: in the short one other tests run beside it, and it only tells waiting from work.
 */
export function sized(short: number, full: number): number {
  return inject('faults') === 'full' ? full : short;
}
