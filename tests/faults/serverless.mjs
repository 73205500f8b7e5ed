// A website on a serverless host: it opens a validator, logs in, and closes it, again and again.
// `node serverless.mjs POOL_SIZE ROUNDS GUESSES USERNAME CODE`, with DATABASE_URL and CODE_SECRET. Each time it sends
// GUESSES wrong codes for Alice and the right code for USERNAME at once. Prints each result: `wrong unknown`.
import { openValidator } from '../../dist/validator/validator.js';

const [, , poolSize, rounds, guesses, username, code] = process.argv;
const options = {
  databaseUrl: process.env.DATABASE_URL,
  codeSecret: process.env.CODE_SECRET,
  poolSize: Number(poolSize),
};

for (let round = 0; round < Number(rounds); round++) {
  const validator = await openValidator(options);
  const print = async (name, verdict) => {
    const { valid, reason } = await verdict.catch((error) => ({ reason: error.message }));
    process.stdout.write(`${name} ${valid ? 'valid' : reason}\n`);
  };
  const wrong = Array.from({ length: Number(guesses) }, async () =>
    print('wrong', validator.validate('Alice', 'ZZZZZZ')),
  );
  await Promise.all([...wrong, print('right', validator.redeem(username, code))]);
  await validator.close();
}
