/** Each check writes to the database: requests within this time share one. */
const MEMORY_MS = 5_000;

/** What works. */
export interface Health {
  /** Whether the database can be written. */
  readonly database: boolean;
  /** Whether messages on Discord reach the bot. */
  readonly gateway: boolean;
  /** Whether somebody is guessing codes. */
  readonly guessing: boolean;
}

export function healthCheck(options: {
  /** Writes to the database, or rejects. */
  readonly probe: (now: number) => Promise<void>;
  readonly isConnected: () => boolean;
  readonly isAttacked: () => boolean;
  readonly clock: () => number;
}): () => Promise<Health> {
  const { probe, isConnected, isAttacked, clock } = options;
  let database = Promise.resolve(false);
  let checkedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = clock();
    // Math.abs: the clock may have been set back.
    if (Math.abs(now - checkedAt) >= MEMORY_MS) {
      checkedAt = now;
      database = probe(now).then(
        () => true,
        () => false,
      );
    }
    return { database: await database, gateway: isConnected(), guessing: isAttacked() };
  };
}
