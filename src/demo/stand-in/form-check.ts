import { type FormError, invalidForm, type Path, refusal } from './api-error.js';
import { LIMITS } from './limits.js';
import type { AllowedMentions } from './mentions.js';

export interface StandInEmbed {
  readonly type: 'rich';
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly url?: string | undefined;
  readonly color?: number | undefined;
  readonly timestamp?: string | undefined;
  readonly footer?: { readonly text?: string | undefined } | undefined;
  readonly author?: { readonly name?: string | undefined } | undefined;
  readonly fields?: readonly StandInEmbedField[] | undefined;
}

export interface StandInEmbedField {
  readonly name?: string | undefined;
  readonly value?: string | undefined;
  readonly inline: boolean;
}

export interface StandInButton {
  readonly type: 2;
  /** 1 primary, 2 secondary, 3 success, 4 danger, 5 link. */
  readonly style: number;
  readonly label?: string | undefined;
  readonly emoji?: unknown;
  readonly custom_id?: string | undefined;
  readonly url?: string | undefined;
  readonly disabled: boolean;
}

export interface StandInActionRow {
  readonly type: 1;
  readonly components: readonly StandInButton[];
}

/** The body of a request that creates or edits a message; `undefined`: not given. */
export interface MessageForm {
  readonly content: string | undefined;
  readonly embeds: readonly StandInEmbed[] | undefined;
  readonly components: readonly StandInActionRow[] | undefined;
  readonly allowedMentions: AllowedMentions | null;
  readonly nonce: string | undefined;
  readonly enforceNonce: boolean;
  readonly repliesTo: { readonly messageId: string; readonly mustExist: boolean } | null;
  readonly flags: number;
}

type Raw = Record<string, unknown>;

export function asRecord(value: unknown): Raw {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

/**
 * Reads the body of a request as Discord would.
 *
 * @throws {ApiError} 50035 with every mistake in the form.
 */
export function readMessageForm(body: unknown): MessageForm {
  const reader = new FormReader();
  const raw = asRecord(body);
  const form: MessageForm = {
    content: raw['content'] === null ? '' : reader.text(raw['content'], ['content'], LIMITS.content),
    embeds: reader.list(raw['embeds'], ['embeds'], LIMITS.embeds, (embed, path) =>
      readEmbed(reader, embed, path),
    ),
    components: reader.list(raw['components'], ['components'], LIMITS.actionRows, (row, path) =>
      readActionRow(reader, row, path),
    ),
    allowedMentions: readAllowedMentions(reader, raw['allowed_mentions']),
    nonce: reader.text(raw['nonce'], ['nonce'], LIMITS.nonce),
    enforceNonce: raw['enforce_nonce'] === true,
    repliesTo: readReference(raw['message_reference']),
    flags: typeof raw['flags'] === 'number' ? raw['flags'] : 0,
  };
  checkEmbedsTotal(reader, form.embeds ?? []);
  checkCustomIds(reader, form.components ?? []);
  reader.finish();
  return form;
}

/** @throws {ApiError} 50006 if the message is empty. */
export function checkNotEmpty(message: Pick<MessageForm, 'content' | 'embeds' | 'components'>): void {
  const { content = '', embeds = [], components = [] } = message;
  if (content === '' && !embeds.some(isVisible) && components.length === 0) throw refusal('emptyMessage');
}

function isVisible({ fields = [], ...embed }: StandInEmbed): boolean {
  const texts = [embed.title, embed.description, embed.footer?.text, embed.author?.name];
  return fields.length > 0 || texts.some((text) => text !== undefined && text !== '');
}

/** Reads values from JSON and collects their errors. */
class FormReader {
  readonly #mistakes = new Map<string, { readonly path: Path; readonly error: FormError }>();

  fail(path: Path, code: string, message: string): void {
    const place = path.join('.');
    if (!this.#mistakes.has(place)) this.#mistakes.set(place, { path, error: { code, message } });
  }

  /** Trimmed text, as Discord stores it. */
  text(value: unknown, path: Path, max: number, required = false): string | undefined {
    const text = typeof value === 'number' ? String(value) : (value ?? undefined);
    if (text !== undefined && typeof text !== 'string') {
      this.fail(path, 'STRING_TYPE_CONVERT', 'Could not interpret the value as string.');
      return undefined;
    }
    const trimmed = text?.trim();
    if (required && (trimmed ?? '') === '') this.fail(path, 'BASE_TYPE_REQUIRED', 'This field is required');
    if (Array.from(trimmed ?? '').length > max) {
      this.fail(path, 'BASE_TYPE_MAX_LENGTH', `Must be ${max} or fewer in length.`);
    }
    return trimmed;
  }

  list<T>(value: unknown, path: Path, max: number, read: (raw: Raw, path: Path) => T): T[] | undefined {
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) {
      this.fail(path, 'LIST_TYPE_CONVERT', 'Only iterables may be used in a ListType');
      return undefined;
    }
    if (value.length > max) this.fail(path, 'BASE_TYPE_MAX_LENGTH', `Must be ${max} or fewer in length.`);
    return value.map((item: unknown, index) => read(asRecord(item), [...path, index]));
  }

  finish(): void {
    if (this.#mistakes.size > 0) throw invalidForm([...this.#mistakes.values()]);
  }
}

function readEmbed(reader: FormReader, raw: Raw, path: Path): StandInEmbed {
  const color = typeof raw['color'] === 'number' ? raw['color'] : undefined;
  if (color !== undefined && !(color >= 0 && color <= 0xffffff)) {
    reader.fail([...path, 'color'], 'NUMBER_TYPE_MAX', 'int value should be less than or equal to 16777215.');
  }
  const part = (key: 'footer' | 'author'): Raw | undefined => (raw[key] ? asRecord(raw[key]) : undefined);
  const footer = part('footer');
  const author = part('author');
  return {
    type: 'rich',
    title: reader.text(raw['title'], [...path, 'title'], LIMITS.embedTitle),
    description: reader.text(raw['description'], [...path, 'description'], LIMITS.embedDescription),
    url: reader.text(raw['url'], [...path, 'url'], 2048),
    color,
    timestamp: typeof raw['timestamp'] === 'string' ? raw['timestamp'] : undefined,
    footer: footer && { text: reader.text(footer['text'], [...path, 'footer', 'text'], LIMITS.embedFooter) },
    author: author && { name: reader.text(author['name'], [...path, 'author', 'name'], LIMITS.embedAuthor) },
    fields: reader.list(raw['fields'], [...path, 'fields'], LIMITS.embedFields, (field, at) => ({
      name: reader.text(field['name'], [...at, 'name'], LIMITS.embedFieldName, true),
      value: reader.text(field['value'], [...at, 'value'], LIMITS.embedFieldValue, true),
      inline: field['inline'] === true,
    })),
  };
}

function checkEmbedsTotal(reader: FormReader, embeds: readonly StandInEmbed[]): void {
  const texts = embeds.flatMap(({ title, description, footer, author, fields = [] }) => {
    const named = fields.flatMap(({ name, value }) => [name, value]);
    return [title, description, footer?.text, author?.name, ...named];
  });
  if (Array.from(texts.join('')).length > LIMITS.embedsTotal) {
    const message = `Embed size exceeds maximum size of ${LIMITS.embedsTotal}`;
    reader.fail(['embeds'], 'MAX_EMBED_SIZE_EXCEEDED', message);
  }
}

function readActionRow(reader: FormReader, raw: Raw, path: Path): StandInActionRow {
  if (raw['type'] !== 1) reader.fail([...path, 'type'], 'BASE_TYPE_CHOICES', 'Value must be one of (1,).');
  const at = [...path, 'components'];
  const components =
    reader.list(raw['components'], at, Number.POSITIVE_INFINITY, (button, where) =>
      readButton(reader, button, where),
    ) ?? [];
  if (components.length < 1 || components.length > LIMITS.buttonsPerRow) {
    reader.fail(at, 'BASE_TYPE_BAD_LENGTH', `Must be between 1 and ${LIMITS.buttonsPerRow} in length.`);
  }
  return { type: 1, components };
}

function readButton(reader: FormReader, raw: Raw, path: Path): StandInButton {
  const style = typeof raw['style'] === 'number' ? raw['style'] : 0;
  if (raw['type'] !== 2) reader.fail([...path, 'type'], 'BASE_TYPE_CHOICES', 'Value must be one of (2,).');
  if (![1, 2, 3, 4, 5].includes(style)) {
    reader.fail([...path, 'style'], 'BASE_TYPE_CHOICES', 'Value must be one of (1, 2, 3, 4, 5).');
  }
  const isLink = style === 5;
  if (isLink && raw['custom_id'] !== undefined) {
    const message = 'A custom id and url cannot both be specified';
    reader.fail([...path, 'custom_id'], 'BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE', message);
  }
  return {
    type: 2,
    style,
    label: reader.text(raw['label'], [...path, 'label'], LIMITS.buttonLabel, raw['emoji'] === undefined),
    emoji: raw['emoji'],
    custom_id: reader.text(raw['custom_id'], [...path, 'custom_id'], LIMITS.buttonCustomId, !isLink),
    url: reader.text(raw['url'], [...path, 'url'], 512, isLink),
    disabled: raw['disabled'] === true,
  };
}

function checkCustomIds(reader: FormReader, rows: readonly StandInActionRow[]): void {
  const seen = new Set<string>();
  for (const [row, { components }] of rows.entries()) {
    for (const [index, { custom_id: id }] of components.entries()) {
      const path = ['components', row, 'components', index, 'custom_id'];
      if (id !== undefined && seen.has(id)) {
        reader.fail(path, 'COMPONENT_CUSTOM_ID_DUPLICATED', 'Component custom id cannot be duplicated');
      }
      if (id !== undefined) seen.add(id);
    }
  }
}

function readAllowedMentions(reader: FormReader, value: unknown): AllowedMentions | null {
  if (value === undefined || value === null) return null;
  const raw = asRecord(value);
  const ids = (key: 'parse' | 'users' | 'roles'): string[] => {
    const list: unknown = raw[key] ?? [];
    const path = ['allowed_mentions', key];
    if (Array.isArray(list) && list.length <= LIMITS.allowedMentionIds) return list.map(String);
    reader.fail(path, 'BASE_TYPE_MAX_LENGTH', `Must be ${LIMITS.allowedMentionIds} or fewer in length.`);
    return [];
  };
  const allowed = { parse: ids('parse'), users: ids('users'), roles: ids('roles') };
  for (const kind of ['users', 'roles'] as const) {
    if (allowed.parse.includes(kind) && allowed[kind].length > 0) {
      const message = `parse:["${kind}"] and ${kind}: [ids...] are mutually exclusive.`;
      reader.fail(['allowed_mentions'], 'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE', message);
    }
  }
  return { ...allowed, repliedUser: raw['replied_user'] === true };
}

function readReference(value: unknown): MessageForm['repliesTo'] {
  const raw = asRecord(value);
  const messageId = raw['message_id'];
  return typeof messageId === 'string' ? { messageId, mustExist: raw['fail_if_not_exists'] !== false } : null;
}
