// Loaded into the bot before its own modules: counts statements and commits. Each message asks for the counts since the last one.
import Database from 'better-sqlite3';

let counts = { statements: 0, commits: 0 };
const prepare = Reflect.get(Database.prototype, 'prepare');

Database.prototype.prepare = function prepareCounted(sql) {
  const statement = prepare.call(this, sql);
  const isControl = /^(?:BEGIN|COMMIT|ROLLBACK)/.test(sql);
  for (const method of ['run', 'all', 'get']) {
    const execute = statement[method].bind(statement);
    statement[method] = (...parameters) => {
      if (!isControl) counts.statements += 1;
      // A statement that writes outside of a transaction is a commit, too.
      if (sql === 'COMMIT' || (!isControl && !statement.readonly && !this.inTransaction)) counts.commits += 1;
      return execute(...parameters);
    };
  }
  return statement;
};

process.on('message', () => {
  process.send(counts);
  counts = { statements: 0, commits: 0 };
});
