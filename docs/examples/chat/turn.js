// One message as the page shows it.

const ENDS = {
  stopped: "Stopped.",
  abandoned: "Ended, as nobody listened.",
  interrupted: "Cut off: the server that answered has ended.",
};

export class Turn {
  /** `message` is of the API; one that is `streaming` has no text yet. */
  constructor(message) {
    this.message = message;
    [this.content, this.reasoning] = [message.content ?? "", message.reasoning ?? ""];
    this.node = document.getElementById(message.role === "user" ? "said" : "answered").content.cloneNode(true)
      .firstElementChild;
    this.render();
  }

  get isStreaming() {
    return this.message.state === "streaming";
  }

  /** Take one event of its stream; `render` shows it. */
  take({ type, data }) {
    if (type === "message") this.message.id = data.message_id;
    if (type === "delta") this.content += data.content;
    if (type === "reasoning") this.reasoning += data.content;
    // All of the text, in place of what was there.
    if (type === "snapshot") Object.assign(this, { content: data.content, reasoning: data.reasoning });
    if (type === "usage") Object.assign(this.message, data);
    if (type === "done") Object.assign(this.message, data);
    if (type === "problem") Object.assign(this.message, { state: "failed", problem: data });
  }

  render() {
    const { message } = this;
    grow(this.#part(".words"), this.content);
    if (message.role === "user") return;
    grow(this.#part(".thoughts .text"), this.reasoning);
    this.#part(".thoughts").hidden = !this.reasoning;
    this.#part("summary").textContent = this.content || !this.isStreaming ? "Thoughts" : "It thinks …";
    this.node.dataset.state = message.state;
    if (this.isStreaming) return;
    this.#part(".failure").textContent = message.problem?.detail ?? "";
    this.#part(".failure").hidden = !message.problem;
    this.#part(".usage").textContent = told(message);
  }

  #part(selector) {
    return this.node.querySelector(selector);
  }
}

/** Have a node show `text`, of which it may have the beginning. As text: what a model says is no HTML to be trusted. */
function grow(node, text) {
  if (!node.firstChild) node.append("");
  const { firstChild: there } = node;
  if (text.startsWith(there.data)) there.appendData(text.slice(there.length));
  else there.data = text;
}

/** How it ended, and what it cost, in a line. */
function told(message) {
  const { model, prompt_tokens: read, completion_tokens: said, timings } = message;
  const parts = [model];
  if (read != null) parts.push(`${read.toLocaleString("en")} tokens read, ${said.toLocaleString("en")} said`);
  if (timings?.total_ms) parts.push(`${(timings.total_ms / 1000).toFixed(1)} s`);
  if (ENDS[message.state]) parts.push(ENDS[message.state]);
  if (message.finish_reason === "length") parts.push("Cut off: it has reached its limit.");
  if (message.truncated || message.left_out) parts.push("The model has not seen all of this conversation.");
  return parts.join(" · ");
}
