/** Each check writes to the database: requests within this time share one. */
const MEMORY_MS = 5_000;

/** What works. */
export interface Health {
  /** Whether the database can be written. */
  readonly database: boolean;
  /** Whether messages on Discord reach the bot. */
  readonly gateway: boolean;
  /** Usernames at which somebody entered a wrong code within the last minute. */
  readonly guessedUsernames: number;
}

export function healthCheck(options: {
  /** Writes to the database, or rejects. */
  readonly probe: (now: number) => Promise<void>;
  readonly isConnected: () => boolean;
  readonly guessedUsernames: () => number;
  readonly clock: () => number;
}): () => Promise<Health> {
  const { probe, isConnected, guessedUsernames, clock } = options;
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
    return { database: await database, gateway: isConnected(), guessedUsernames: guessedUsernames() };
  };
}
