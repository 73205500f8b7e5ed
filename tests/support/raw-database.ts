import Database from 'better-sqlite3';

/** As in the driver: some versions of Node abort when an object of better-sqlite3 is garbage-collected. */
const kept: object[] = [];

export function keep<T extends object>(object: T): T {
  kept.push(object);
  return object;
}

/** Opens a connection without the driver, as another program does. */
export function openRaw(path: string): Database.Database {
  return keep(new Database(path));
}
