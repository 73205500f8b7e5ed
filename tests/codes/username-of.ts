import { parseUsername, type Username } from '../../src/codes/username.js';

export function usernameOf(typed: string): Username {
  const username = parseUsername(typed);
  if (username === null) throw new Error(`Not a username: ${typed}`);
  return username;
}
