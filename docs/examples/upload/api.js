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

export class ConnectionLost extends Error {}

/** As `fetch`, which tells a lost connection and a page that is not let in by the same TypeError. */
export async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw new ConnectionLost("The connection is lost.", { cause: error });
  }
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

  /** What an operation answers. An access token lasts 10 minutes, an upload may last longer. */
  async call(method, path, body) {
    try {
      return await this.#json(method, path, body, { Authorization: `Bearer ${this.#token}` });
    } catch (error) {
      if (error.status !== 401) throw error;
      await this.#refresh();
      return this.#json(method, path, body, { Authorization: `Bearer ${this.#token}` });
    }
  }

  /** Once for all calls that find the token too old at the same time. */
  async #refresh() {
    this.#refreshing ??= this.#sign("/v1/auth/refresh").finally(() => (this.#refreshing = null));
    await this.#refreshing;
  }

  async #sign(path, body) {
    this.#token = (await this.#json("POST", path, body, {}, "include")).access_token;
  }

  async #json(method, path, body, headers, credentials = "omit") {
    const answer = await send(this.#base + path, {
      method,
      credentials,
      headers: body === undefined ? headers : { ...headers, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Problem(answer.status, text.startsWith("{") ? JSON.parse(text) : {});
    return text ? JSON.parse(text) : null;
  }
}
