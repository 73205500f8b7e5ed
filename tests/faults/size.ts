import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether the suite runs as a part of `npm test`, or by itself and at full size. */
    readonly faults: 'short' | 'full';
  }
}

/** How much of it is done: `short` within `npm test`, `full` by `npm run test:faults`. */
export function sized(short: number, full: number): number {
  return inject('faults') === 'full' ? full : short;
}
