import { STATUS_CODES } from 'node:http';
import { asRecord } from './form-check.js';
import type { StandInPlace, StandInUser, World } from './world.js';

/** A REST call of the bot. */
export interface StandInRequest {
  readonly method: string;
  /** Without `/api/v10` and without the query, e.g. `/users/@me/channels`. */
  readonly path: string;
  /** The parsed JSON; `undefined` if there is none. */
  readonly body: unknown;
  /** The HTTP status of the answer; `null` before the answer, or if it is lost. */
  readonly status: number | null;
}

/** Selects REST calls: those that match every given field. `{}` selects all. */
export interface StandInCalls {
  /** Sends a message to this channel, or a direct message to this user. */
  readonly to?: StandInPlace;
  /** Opens the direct message channel of this user. */
  readonly opening?: StandInUser;
  /** Answers a button press of this user. */
  readonly press?: StandInUser;
  /** `METHOD /path`, or a path for any method; without `/api/v10`. `*` is one segment: `GET /channels/*`. */
  readonly route?: string;
}

/** Selects the calls that a fault affects. */
export interface StandInFaultyCalls extends StandInCalls {
  /** Ends the fault after this many calls. */
  readonly times?: number;
  /** Called for each selected call: whether the fault affects it. */
  readonly chance?: () => boolean;
}

/**
 * - `reset`: the connection is reset before the call has an effect.
 * - `lose-answer`: the call has its effect, then the connection is reset.
 * - an HTTP status, alone or with details: the answer. The call has no effect.
 */
export type StandInFault =
  | 'reset'
  | 'lose-answer'
  | number
  | {
      readonly status: number;
      /** The JSON error code; 0 by default. */
      readonly code?: number;
      /** In seconds. */
      readonly retryAfter?: number;
      /** What a 429 limits: by default `user`, a route. `null`: not from Discord's API but from its network, Cloudflare. */
      readonly scope?: 'user' | 'global' | null;
      /** The JSON in place of an error. */
      readonly body?: object;
    };

/** Calls that wait. */
export interface StandInHold {
  /** Resolves when the first of the calls has arrived. */
  readonly arrived: Promise<void>;
  /** Lets the waiting calls and all later ones continue. */
  release(): void;
}

interface Rule {
  readonly calls: StandInFaultyCalls;
  readonly fault: StandInFault | null;
  /** Called with each affected call, which waits for the promise. */
  readonly wait: () => Promise<void>;
  left: number;
}

export class Faults {
  readonly #world: World;
  readonly #rules = new Set<Rule>();

  constructor(world: World) {
    this.#world = world;
  }

  fail(
    calls: StandInFaultyCalls,
    fault: StandInFault | null,
    wait: Rule['wait'] = () => Promise.resolve(),
  ): () => void {
    const rule: Rule = { calls, fault, wait, left: calls.times ?? Infinity };
    if (rule.left > 0) this.#rules.add(rule);
    return () => {
      this.#rules.delete(rule);
    };
  }

  hold(calls: StandInFaultyCalls, fault: StandInFault | null): StandInHold {
    let proceed = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    let end = (): void => undefined;
    const arrived = new Promise<void>((resolve) => {
      end = this.fail(calls, fault, () => {
        resolve();
        return released;
      });
    });
    const release = (): void => {
      end();
      proceed();
    };
    return { arrived, release };
  }

  /** Resolves with what happens to `request`: the oldest fault that affects it. */
  async meet(request: StandInRequest): Promise<StandInFault | null> {
    for (const rule of this.#rules) {
      if (!this.selects(rule.calls, request) || rule.calls.chance?.() === false) continue;
      rule.left -= 1;
      if (rule.left <= 0) this.#rules.delete(rule);
      await rule.wait();
      return rule.fault;
    }
    return null;
  }

  selects({ to, opening, press, route }: StandInCalls, { method, path, body }: StandInRequest): boolean {
    const call = `${method} ${path}`;
    const [, channelId = ''] = toPattern('POST /channels/*/messages').exec(call) ?? [];
    const [, , token = ''] = toPattern('POST /interactions/*/*/callback').exec(call) ?? [];
    const opened = call === 'POST /users/@me/channels' ? asRecord(body)['recipient_id'] : undefined;
    const channel = this.#world.channels.get(channelId);
    return (
      (to === undefined || channel === to || channel?.recipient === to) &&
      (opening === undefined || opened === opening.id) &&
      (press === undefined || this.#world.interactions.get(token)?.user === press) &&
      (route === undefined || toPattern(route).test(route.startsWith('/') ? path : call))
    );
  }
}

/** Matches a route; `*` stands for one segment of its path, which is captured. */
export function toPattern(route: string): RegExp {
  return new RegExp(`^${route.replaceAll('/*', '/([^/]+)')}$`);
}

export interface Answer {
  readonly status: number;
  /** `undefined`: empty. */
  readonly body: object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The answer of a fault that has one. */
export function toAnswer(fault: Exclude<StandInFault, string>): Answer {
  const details = typeof fault === 'number' ? { status: fault } : fault;
  const { status, code = 0, retryAfter, body, scope = 'user' } = details;
  const message = `${status}: ${STATUS_CODES[status] ?? 'Unknown'}`;
  return {
    status,
    body: body ?? { message, code, retry_after: retryAfter },
    headers: {
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      ...(status === 429 && scope !== null && { 'x-ratelimit-scope': scope }),
      ...(status === 429 && scope === 'global' && { 'x-ratelimit-global': 'true' }),
    },
  };
}
