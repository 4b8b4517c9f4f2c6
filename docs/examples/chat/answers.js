// Answers that go on after a lost connection, and after the page was reloaded.

import { ConnectionLost, Problem, pause } from "../shared/api.js";
import { events } from "./events.js";

const SILENCE = 30_000; // The API says something every 10 s.
const ATTEMPTS = 8; // in a row, that are refused
const LONGEST_PAUSE = 8;
// What was asked may have been done: under the same key it is safe to ask again.
const UNDECIDED = ["idempotency_in_flight", "bad_gateway", "gateway_timeout"];

/**
 * Say `wanted`, and hear the answer: `tell({ id, type, data })` has each event once, in order, or
 * `{ type: "waiting", data }` where one has to wait. It returns at the answer's end, or when `signal` is aborted: the
 * answer is generated for another minute then, for whoever comes back. Raises Problem where the API refuses.
 */
export function say(api, conversation, wanted, tell, signal) {
  // Where the answer is lost before it began, nothing is said twice.
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const ask = () => api.open("POST", `${path(conversation)}/messages`, { body: wanted, headers, signal });
  return listen(api, conversation, { ask, last: "", isBegun: false }, tell, signal);
}

/** Hear an answer that is under way, after the event with the id `last`; an empty id: from its beginning. */
export function resume(api, conversation, message, last, tell, signal) {
  const ask = () => api.open("GET", `${path(conversation)}/messages/${message}/events`, { signal });
  return listen(api, conversation, { ask, last, isBegun: true }, tell, signal);
}

/** End an answer, wherever it is generated; who listens to it hears so. */
export function stop(api, conversation, message) {
  return api.call("POST", `${path(conversation)}/messages/${message}/stop`);
}

export function path(conversation) {
  return `/v1/ai/conversations/${conversation}`;
}

async function listen(api, conversation, { ask, last, isBegun }, tell, signal) {
  for (let failures = 0; ; ) {
    try {
      const answer = await (last ? after(api, conversation, last, signal) : ask());
      if (answer.status === 204) return;
      for await (const event of events(answer.body, SILENCE)) {
        if (signal.aborted) return;
        [last, failures, isBegun] = [event.id, 0, true];
        tell(event);
        if (event.type === "done" || event.type === "problem") return;
      }
      // It ended without its end: that process is gone, and another one knows more.
      throw new ConnectionLost();
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (!passes(error, isBegun) || (error instanceof Problem && failures >= ATTEMPTS)) throw error;
      tell({ type: "waiting", data: { detail: error.message } });
      await pause(Math.min(2 ** failures / 4, LONGEST_PAUSE), signal);
    }
  }
}

/** The events after one; its id has the message in it. */
function after(api, conversation, last, signal) {
  const [message] = last.split(":");
  const headers = { "Last-Event-ID": last };
  return api.open("GET", `${path(conversation)}/messages/${message}/events`, { headers, signal });
}

/** Whether it may be better in a moment. What was refused before it began is for people to try again. */
function passes(error, isBegun) {
  if (error instanceof ConnectionLost) return true;
  if (!(error instanceof Problem)) return false;
  return UNDECIDED.includes(error.code) || (isBegun && (error.status >= 500 || error.status === 429));
}
