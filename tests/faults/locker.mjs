// Takes the write lock of a database and keeps it until it is killed.
import Database from 'better-sqlite3';

const database = new Database(process.env.DATABASE);
database.exec('BEGIN IMMEDIATE');
process.stdout.write('locked\n');
setInterval(() => database.inTransaction, 1_000);
