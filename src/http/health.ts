/** Whoever asks more often hears what was found last: asking costs no write each time. */
const MEMORY_MS = 5_000;

/** A database that takes longer to write is no healthy one. */
const PATIENCE_MS = 2_000;

/** What works of the bot. */
export interface Health {
  /** Whether the database can be written. */
  readonly database: boolean;
  /** Whether the bot hears Discord. */
  readonly gateway: boolean;
}

/** @param options.touch writes to the database, or rejects. */
export function healthCheck(options: {
  readonly touch: (now: number) => Promise<void>;
  readonly hears: () => boolean;
  readonly clock: () => number;
}): () => Promise<Health> {
  const { touch, hears, clock } = options;
  let database = Promise.resolve(false);
  let checkedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = clock();
    // A clock that was set back is no reason to believe an old answer.
    if (Math.abs(now - checkedAt) >= MEMORY_MS) {
      checkedAt = now;
      database = isFulfilledSoon(touch(now));
    }
    return { database: await database, gateway: hears() };
  };
}

async function isFulfilledSoon(work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const impatience = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, false);
  });
  const success = work.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([success, impatience]);
  } finally {
    clearTimeout(timer);
  }
}
