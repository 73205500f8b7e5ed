import type { Validator } from '../validator/validator.js';

/** The result of a login. */
export interface LoginResult {
  /** The username of the login; `null` if it is refused. */
  readonly username: string | null;
  /** Shown in the demo only: a website does not show it to visitors. */
  readonly detail: string;
}

/** Logs in on the website. */
export type LogIn = (username: string, code: string) => Promise<LoginResult>;

/** Checks with the validator module, as a Node website does that can open the database. */
export function logInByModule(validator: Pick<Validator, 'validate'>): LogIn {
  return async (username, code) => {
    const verdict = await validator.validate(username, code);
    return verdict.valid
      ? { username: verdict.username, detail: 'by the module' }
      : { username: null, detail: `the validator's reason: ${verdict.reason}` };
  };
}

/** Checks over HTTP, as every other website does. */
export function logInByHttp(port: number, token: string): LogIn {
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
