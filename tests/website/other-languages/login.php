<?php
// Asks the bot whether a visitor may come in. Copy the function; the lines below it try it out.

/** @return string in, out, wait (too many wrong codes for this username), or unavailable: then let nobody in */
function access_login(string $username, string $code): string
{
    $body = json_encode(['username' => $username, 'code' => $code]);
    if ($body === false) return 'out'; // not UTF-8
    $url = rtrim((string) getenv('ACCESS_BOT_URL'), '/') . '/v1/redeem';
    $stream = @fopen($url, 'r', false, stream_context_create(['http' => [
        'method' => 'POST',
        'header' => ['Content-Type: application/json', 'Authorization: Bearer ' . getenv('ACCESS_BOT_TOKEN')],
        'content' => $body,
        'timeout' => 3,
        'ignore_errors' => true,
        'follow_location' => 0,
    ]]));
    if ($stream === false) return 'unavailable';
    $status = explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1] ?? '';
    $answer = json_decode((string) stream_get_contents($stream), true);
    fclose($stream);
    if ($status === '429') return 'wait';
    if ($status !== '200' || !is_bool($answer['valid'] ?? null)) return 'unavailable';
    return $answer['valid'] ? 'in' : 'out';
}

// Two lines on standard input: the username and the code.
echo access_login(rtrim((string) fgets(STDIN), "\n"), rtrim((string) fgets(STDIN), "\n")), "\n";
