/** Whom the sender allows to be notified. A message without it notifies everyone it mentions. */
export interface AllowedMentions {
  readonly parse: readonly string[];
  readonly users: readonly string[];
  readonly roles: readonly string[];
  readonly repliedUser: boolean;
}

/** Who is notified of a message. */
export interface Pings {
  readonly everyone: boolean;
  /** Ids. */
  readonly users: readonly string[];
  readonly roles: readonly string[];
}

/** What the place of a message says about those it mentions. */
export interface MentionContext {
  /** Whether the sender may ping @everyone, @here and every role there. */
  readonly mayMentionEveryone: boolean;
  readonly repliedTo: string | null;
  isThere(userId: string): boolean;
  isRole(roleId: string): boolean;
}

const CODE_SPANS = /```[\s\S]+?```|``[\s\S]+?``|`[^`]+`/g;

/** Returns who is notified: mentioned outside code spans, in the place, and allowed. */
export function pingsOf(content: string, allowed: AllowedMentions | null, context: MentionContext): Pings {
  const text = content.replaceAll(CODE_SPANS, ' ');
  const named = (pattern: RegExp): string[] => Array.from(text.matchAll(pattern), ([, id = '']) => id);
  const may = (kind: 'users' | 'roles', id: string): boolean =>
    allowed === null || allowed.parse.includes(kind) || allowed[kind].includes(id);

  const users = named(/<@!?(\d+)>/g).filter((id) => may('users', id));
  if (context.repliedTo !== null && (allowed === null || allowed.repliedUser)) users.push(context.repliedTo);
  return {
    everyone:
      /@(everyone|here)/.test(text) &&
      context.mayMentionEveryone &&
      (allowed === null || allowed.parse.includes('everyone')),
    users: [...new Set(users)].filter((id) => context.isThere(id)),
    roles: [...new Set(named(/<@&(\d+)>/g))].filter(
      (id) => context.mayMentionEveryone && context.isRole(id) && may('roles', id),
    ),
  };
}
