/** Posts a login to a Discord channel, by its webhook. Never add the code: everybody who reads the channel could use it. */
export async function postLoginNotice(username: string): Promise<void> {
  const webhook = process.env.LOGIN_NOTICE_WEBHOOK;
  if (!webhook) return;
  try {
    await fetch(webhook, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      // As inline code: `_` in a username would be formatting.
      body: JSON.stringify({
        embeds: [{ title: 'Chat room login', fields: [{ name: 'Username', value: `\`${username}\`` }] }],
        allowed_mentions: { parse: [] },
      }),
      signal: AbortSignal.timeout(3_000),
    });
  } catch {
    // Without the error: it may quote the webhook's address, which is a secret.
    console.error('Cannot post the login notice');
  }
}
