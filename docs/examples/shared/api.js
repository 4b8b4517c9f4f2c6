// The API as a page of another origin calls it: the access token in memory, the refresh token in a cookie that no
// script can read.

export class Problem extends Error {
  /** A refusal of the API (RFC 9457), or of the bucket. */
  constructor(status, { code, detail } = {}) {
    super(detail ?? `The answer was ${status}.`);
    this.status = status;
    this.code = code;
  }
}

export class ConnectionLost extends Error {
  constructor(cause) {
    super("The connection is lost.", { cause });
  }
}

/** As `fetch`, which tells a lost connection and a page that is not let in by the same TypeError. */
export async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw new ConnectionLost(error);
  }
}

/** So many seconds; at most until the browser is back on a network, or `signal` says that nobody waits any more. */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    addEventListener("online", resolve, { once: true });
    signal?.addEventListener("abort", resolve, { once: true });
    // Also where there is no network: the API may be on this machine.
    setTimeout(resolve, seconds * 1000);
  });
}

export class Api {
  #base;
  #token = null;
  #refreshing = null;

  constructor(base) {
    this.#base = base;
  }

  async signIn(email, password) {
    await this.#sign("/v1/auth/login", { email, password, cookie: true });
  }

  /** Whether the cookie of an earlier sign-in is still good. */
  async isSignedIn() {
    try {
      await this.#refresh();
      return true;
    } catch (error) {
      if (error instanceof Problem && error.status < 500) return false;
      throw error;
    }
  }

  /** What an operation answers. */
  async call(method, path, body) {
    return read(await this.open(method, path, { body }));
  }

  /** The same as a Response that is good, for who reads it as it comes. An access token lasts 10 minutes. */
  async open(method, path, { body, headers, signal } = {}) {
    const ask = () =>
      this.#ask(method, path, { body, signal, headers: { ...headers, Authorization: `Bearer ${this.#token}` } });
    try {
      return await ask();
    } catch (error) {
      if (error.status !== 401) throw error;
      await this.#refresh();
      return ask();
    }
  }

  /** Once for all calls that find the token too old at the same time. */
  async #refresh() {
    this.#refreshing ??= this.#sign("/v1/auth/refresh").finally(() => (this.#refreshing = null));
    await this.#refreshing;
  }

  async #sign(path, body) {
    const answer = await this.#ask("POST", path, { body, headers: {}, credentials: "include" });
    this.#token = (await read(answer)).access_token;
  }

  async #ask(method, path, { body, headers, signal, credentials = "omit" }) {
    const answer = await send(this.#base + path, {
      method,
      credentials,
      signal,
      headers: body === undefined ? headers : { ...headers, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (answer.ok) return answer;
    const isProblem = answer.headers.get("Content-Type")?.includes("json");
    throw new Problem(answer.status, isProblem ? await read(answer) : {});
  }
}

async function read(answer) {
  let text;
  try {
    text = await answer.text();
  } catch (error) {
    throw new ConnectionLost(error);
  }
  return text ? JSON.parse(text) : null;
}
