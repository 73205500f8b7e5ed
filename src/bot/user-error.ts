/** Every failure that its author can act on, with the values that its sentence needs. */
export interface UserErrorContexts {
  readonly guildOnly: null;
  readonly notAdministrator: null;
  readonly missingUsername: { readonly usage: string };
  readonly missingArgument: { readonly helpCommand: string };
  readonly unclosedQuote: null;
  readonly tooManyWords: { readonly example: string };
  readonly unusableUsername: null;
  readonly notAPage: { readonly example: string };
}

export type UserErrorId = keyof UserErrorContexts;

/** A refusal that is no fault. {@link describeUserError} has a sentence for each. */
export class UserError<Id extends UserErrorId = UserErrorId> extends Error {
  override readonly name = 'UserError';
  readonly id: Id;
  readonly context: UserErrorContexts[Id];

  constructor(id: Id, context: UserErrorContexts[Id]) {
    super(id);
    this.id = id;
    this.context = context;
  }
}
