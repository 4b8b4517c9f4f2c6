// The one line in which a page tells how it goes.

import { ConnectionLost, Problem } from "./api.js";

export function say(text, tone = "") {
  const line = document.getElementById("status");
  [line.textContent, line.dataset.tone] = [text, tone];
}

/** Do it, and tell what went wrong. */
export async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof ConnectionLost)) console.error(error);
    say(error.message, "bad");
  }
}
