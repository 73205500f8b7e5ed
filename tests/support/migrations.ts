import { MIGRATIONS, type Migrations } from '../../src/storage/migrations.js';

/** A step that takes a while where there are many rows, and writes all over the database. */
const NEXT_STEP = [
  'ALTER TABLE codes ADD COLUMN note TEXT',
  "UPDATE codes SET note = holder_tag || ' ' || id",
  'CREATE INDEX codes_by_note ON codes (note)',
  'CREATE TABLE audit_copies (at BIGINT NOT NULL, event TEXT NOT NULL)',
  'INSERT INTO audit_copies (at, event) SELECT at, event FROM audit',
];

/** What a later version of the program could bring. */
export const LATER: Migrations = [...MIGRATIONS, NEXT_STEP];

/** The schemas that a database in use can have: each that was ever released, oldest first. */
export const RELEASED: readonly number[] = MIGRATIONS.map((_step, index) => index + 1);
