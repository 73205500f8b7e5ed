/**
 * Tells a Discord channel, by its webhook, who has come in. The username is all that it may say: whoever can read the
 * channel could log in with the code.
 */
export async function postLoginNotice(username: string): Promise<void> {
  const webhook = process.env.LOGIN_NOTICE_WEBHOOK;
  if (!webhook) return;
  try {
    await fetch(webhook, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        embeds: [{ title: 'Chat room login', fields: [{ name: 'Username', value: username }] }],
        allowed_mentions: { parse: [] },
      }),
      signal: AbortSignal.timeout(3_000),
    });
  } catch {
    // The address of a webhook is a secret too, so the error is not shown.
    console.error('The login notice could not be posted');
  }
}
