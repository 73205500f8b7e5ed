import type { Validator } from '../validator/validator.js';

/** What a website hears, and says to its visitor. */
export interface Answer {
  /** Who may come in; `null`: nobody. */
  readonly username: string | null;
  /** For the person at the keyboard: a website keeps it to itself. */
  readonly detail: string;
}

/** A way for a website to ask who may come in. */
export type Door = (username: string, code: string) => Promise<Answer>;

/** As a website in Node asks that can open the database. */
export function moduleDoor(validator: Pick<Validator, 'validate'>): Door {
  return async (username, code) => {
    const verdict = await validator.validate(username, code);
    return verdict.valid
      ? { username: verdict.username, detail: 'by the module' }
      : { username: null, detail: `the validator's reason: ${verdict.reason}` };
  };
}

/** As every other website asks. */
export function httpDoor(port: number, token: string): Door {
  const url = `http://127.0.0.1:${port}/v1/validate`;
  return async (username, code) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ username, code }),
    });
    const body: unknown = await response.json();
    const isValid = response.status === 200 && Reflect.get(Object(body), 'valid') === true;
    const issued: unknown = Reflect.get(Object(body), 'username');
    return {
      username: isValid && typeof issued === 'string' ? issued : null,
      detail: `POST ${url}: ${response.status} ${JSON.stringify(body)}`,
    };
  };
}
