// The floor of the HTTP API: the same library with a constant response. Sends its URL.
import fastify from 'fastify';

const app = fastify();
const verdict = { valid: true, username: 'user1', discordUserId: '1', expiresAt: null, usesLeft: null };
app.post('/v1/validate', async () => verdict);
process.send(await app.listen({ host: '127.0.0.1', port: 0 }));
