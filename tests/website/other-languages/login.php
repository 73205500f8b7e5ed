<?php
// Checks a username and a code at the bot, and counts one use. Copy the function; the lines below it run it.

/**
 * @param string $client an address or device id of the visitor
 * @return array{result: string, discordUserId?: string, username?: string} `result` is
 *   `in`: the code is valid. Key your accounts by `discordUserId`; `username` is as it was issued.
 *   `out`: the code is invalid.
 *   `wait`: too many wrong codes for this username.
 *   `unavailable`: the bot cannot check codes right now. Let nobody in.
 */
function access_login(string $username, string $code, string $client): array
{
    $body = json_encode(['username' => $username, 'code' => $code, 'client' => $client]);
    if ($body === false) return ['result' => 'out']; // not UTF-8
    $url = rtrim((string) getenv('ACCESS_BOT_URL'), '/') . '/v1/redeem';
    $stream = @fopen($url, 'r', false, stream_context_create(['http' => [
        'method' => 'POST',
        'header' => ['Content-Type: application/json', 'Authorization: Bearer ' . getenv('ACCESS_BOT_TOKEN')],
        'content' => $body,
        'timeout' => 3,
        'ignore_errors' => true,
        'follow_location' => 0,
    ]]));
    if ($stream === false) return ['result' => 'unavailable'];
    $status = explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1] ?? '';
    $verdict = json_decode((string) stream_get_contents($stream), true);
    fclose($stream);
    if ($status === '429') return ['result' => 'wait'];
    if ($status === '413') return ['result' => 'out'];
    $valid = $status === '200' ? $verdict['valid'] ?? null : null;
    if ($valid === false) return ['result' => 'out'];
    if ($valid !== true || !isset($verdict['discordUserId'], $verdict['username'])) return ['result' => 'unavailable'];
    return ['result' => 'in', 'discordUserId' => $verdict['discordUserId'], 'username' => $verdict['username']];
}

// Three lines on standard input: the username, the code and the client.
$lines = array_map(fn() => rtrim((string) fgets(STDIN), "\n"), range(1, 3));
echo implode("\n", access_login(...$lines)), "\n";
