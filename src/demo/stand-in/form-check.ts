import { invalidForm, refusal } from './api-error.js';
import { LIMITS } from './limits.js';

export interface StandInEmbed {
  readonly type: 'rich';
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly color: number | undefined;
  readonly fields: readonly StandInEmbedField[] | undefined;
  readonly footer: { readonly text: string } | undefined;
}

export interface StandInEmbedField {
  readonly name: string;
  readonly value: string;
  readonly inline: boolean;
}

export interface StandInButton {
  readonly type: 2;
  /** 1 primary, 2 secondary, 3 success, 4 danger. */
  readonly style: number;
  readonly label: string;
  readonly custom_id: string;
  readonly disabled: boolean;
}

export interface StandInActionRow {
  readonly type: 1;
  readonly components: readonly StandInButton[];
}

/** Whom the sender allows to be notified. */
export interface AllowedMentions {
  readonly parse: readonly string[];
  readonly users: readonly string[];
  readonly roles: readonly string[];
}

/** The body of a request that creates or edits a message; `undefined`: not given. */
export interface MessageForm {
  readonly content: string | undefined;
  readonly embeds: readonly StandInEmbed[] | undefined;
  readonly components: readonly StandInActionRow[] | undefined;
  readonly allowedMentions: AllowedMentions | undefined;
  readonly nonce: string | undefined;
}

export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

/**
 * Reads the parts of a message that the bot uses, as Discord would.
 *
 * @throws {ApiError} 50035 with the first mistake in the form.
 */
export function readMessageForm(body: unknown): MessageForm {
  const form = new Form(body);
  const embeds = form.list('embeds', LIMITS.embeds, readEmbed);
  const components = form.list('components', LIMITS.actionRows, readActionRow);
  checkEmbedsTotal(form, embeds ?? []);
  checkCustomIds(form, components ?? []);
  return {
    content: form.text('content', LIMITS.content),
    embeds,
    components,
    allowedMentions: form.part('allowed_mentions', readAllowedMentions),
    nonce: form.text('nonce', LIMITS.nonce),
  };
}

/** @throws {ApiError} 50006 if the message is empty. */
export function checkNotEmpty({ content = '', embeds = [], components = [] }: Partial<MessageForm>): void {
  const isVisible = ({ title, description, footer, fields = [] }: StandInEmbed): boolean =>
    fields.length > 0 || [title, description, footer?.text].join('') !== '';
  if (content === '' && !embeds.some(isVisible) && components.length === 0) throw refusal('emptyMessage');
}

/** A record from JSON, and its place in the request's body. */
class Form {
  readonly #raw: Record<string, unknown>;
  readonly #path: readonly (string | number)[];

  constructor(raw: unknown, path: readonly (string | number)[] = []) {
    this.#raw = asRecord(raw);
    this.#path = path;
  }

  get(key: string): unknown {
    return this.#raw[key] ?? undefined;
  }

  error(key: string, code: string, message: string): Error {
    return invalidForm([...this.#path, key], code, message);
  }

  /** Trimmed text, as Discord stores it. */
  text(key: string, max: number): string | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw this.error(key, 'STRING_TYPE_CONVERT', 'Could not interpret the value as string.');
    }
    const trimmed = String(value).trim();
    if (Array.from(trimmed).length > max) throw this.#tooLong(key, max);
    return trimmed;
  }

  required(key: string, max: number): string {
    const text = this.text(key, max) ?? '';
    if (text === '') throw this.error(key, 'BASE_TYPE_REQUIRED', 'This field is required');
    return text;
  }

  part<T>(key: string, read: (part: Form) => T): T | undefined {
    const value = this.get(key);
    return value === undefined ? undefined : read(new Form(value, [...this.#path, key]));
  }

  list<T>(key: string, max: number, read: (item: Form) => T): T[] | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) {
      throw this.error(key, 'LIST_TYPE_CONVERT', 'Only iterables may be used in a ListType');
    }
    if (value.length > max) throw this.#tooLong(key, max);
    return value.map((item: unknown, index) => read(new Form(item, [...this.#path, key, index])));
  }

  /** One of a few numbers. */
  choice(key: string, choices: readonly number[]): number {
    const value = this.get(key);
    if (typeof value === 'number' && choices.includes(value)) return value;
    throw this.error(key, 'BASE_TYPE_CHOICES', `Value must be one of (${choices.join(', ')}).`);
  }

  #tooLong(key: string, max: number): Error {
    return this.error(key, 'BASE_TYPE_MAX_LENGTH', `Must be ${max} or fewer in length.`);
  }
}

function readEmbed(embed: Form): StandInEmbed {
  const color = embed.get('color');
  return {
    type: 'rich',
    title: embed.text('title', LIMITS.embedTitle),
    description: embed.text('description', LIMITS.embedDescription),
    color: typeof color === 'number' ? color : undefined,
    fields: embed.list('fields', LIMITS.embedFields, (field) => ({
      name: field.required('name', LIMITS.embedFieldName),
      value: field.required('value', LIMITS.embedFieldValue),
      inline: field.get('inline') === true,
    })),
    footer: embed.part('footer', (footer) => ({ text: footer.required('text', LIMITS.embedFooter) })),
  };
}

function checkEmbedsTotal(form: Form, embeds: readonly StandInEmbed[]): void {
  const texts = embeds.flatMap(({ title, description, footer, fields = [] }) => [
    title,
    description,
    footer?.text,
    ...fields.flatMap(({ name, value }) => [name, value]),
  ]);
  if (Array.from(texts.join('')).length > LIMITS.embedsTotal) {
    const message = `Embed size exceeds maximum size of ${LIMITS.embedsTotal}`;
    throw form.error('embeds', 'MAX_EMBED_SIZE_EXCEEDED', message);
  }
}

function readActionRow(row: Form): StandInActionRow {
  row.choice('type', [1]);
  const components = row.list('components', LIMITS.buttonsPerRow, readButton) ?? [];
  if (components.length === 0) {
    const message = `Must be between 1 and ${LIMITS.buttonsPerRow} in length.`;
    throw row.error('components', 'BASE_TYPE_BAD_LENGTH', message);
  }
  return { type: 1, components };
}

/** A button that the bot reacts to: links are not supported. */
function readButton(button: Form): StandInButton {
  button.choice('type', [2]);
  return {
    type: 2,
    style: button.choice('style', [1, 2, 3, 4]),
    label: button.required('label', LIMITS.buttonLabel),
    custom_id: button.required('custom_id', LIMITS.buttonCustomId),
    disabled: button.get('disabled') === true,
  };
}

function checkCustomIds(form: Form, rows: readonly StandInActionRow[]): void {
  const ids = rows.flatMap(({ components }) => components.map(({ custom_id: id }) => id));
  if (new Set(ids).size === ids.length) return;
  throw form.error(
    'components',
    'COMPONENT_CUSTOM_ID_DUPLICATED',
    'Component custom id cannot be duplicated',
  );
}

function readAllowedMentions(mentions: Form): AllowedMentions {
  const ids = (key: 'parse' | 'users' | 'roles'): string[] => {
    const list = mentions.get(key) ?? [];
    if (Array.isArray(list) && list.length <= LIMITS.allowedMentionIds) return list.map(String);
    throw mentions.error(
      key,
      'BASE_TYPE_MAX_LENGTH',
      `Must be ${LIMITS.allowedMentionIds} or fewer in length.`,
    );
  };
  const allowed = { parse: ids('parse'), users: ids('users'), roles: ids('roles') };
  for (const kind of ['users', 'roles'] as const) {
    if (allowed.parse.includes(kind) && allowed[kind].length > 0) {
      const message = `parse:["${kind}"] and ${kind}: [ids...] are mutually exclusive.`;
      throw mentions.error(kind, 'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE', message);
    }
  }
  return allowed;
}
