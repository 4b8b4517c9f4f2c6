// Server-sent events as `fetch` brings them (https://html.spec.whatwg.org/multipage/server-sent-events.html). The
// browser's own EventSource can neither send a token nor POST.

import { ConnectionLost } from "../shared/api.js";

/**
 * The events of an answer's body, `{ id, type, data }` each, until it ends. Raises ConnectionLost where it breaks off,
 * where for `silence` milliseconds not even a comment comes, and where the browser is off the network: a connection that
 * nobody closed says nothing of that for minutes.
 */
export async function* events(body, silence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await within(silence, reader.read());
      // What has no empty line after it is half an event: it comes again.
      if (done) return;
      // The API ends its lines with \n, and never with \r.
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const event = { id: "", type: "message", data: null };
  for (const line of block.split("\n")) {
    // A line that begins with `:` is a comment, and has no name.
    const [, name, value] = line.match(/^([^:]*):? ?(.*)$/);
    if (name === "id") event.id = value;
    if (name === "event") event.type = value;
    if (name === "data") event.data = JSON.parse(value);
  }
  return event;
}

async function within(milliseconds, reading) {
  let lose;
  const loss = new Promise((_, reject) => {
    lose = () => reject(new Error("Nothing came."));
  });
  const timer = setTimeout(lose, milliseconds);
  addEventListener("offline", lose);
  try {
    return await Promise.race([reading, loss]);
  } catch (error) {
    throw new ConnectionLost(error);
  } finally {
    clearTimeout(timer);
    removeEventListener("offline", lose);
  }
}
