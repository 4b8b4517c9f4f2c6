import { Api } from "../shared/api.js";
import { signedIn } from "../shared/sign-in.js";
import { attempt, say as tellAll } from "../shared/status.js";
import { path, resume, say, stop } from "./answers.js";
import { Turn } from "./turn.js";

const api = new Api(document.querySelector("meta[name=api]").content);
const part = (id) => document.getElementById(id);
const HEARD = "heard";
const LOOKS_FOR_A_TITLE = 10;

/** What is open: a conversation of the API, or null for one that begins with what is said; and its turns. */
let opened = { conversation: null, turns: [], earlier: null, leaving: new AbortController() };

/** The answer that is under way here. */
function streaming() {
  return opened.turns.findLast((turn) => turn.isStreaming);
}

function refresh() {
  const turn = streaming();
  const isBusy = Boolean(turn);
  part("stop").hidden = !isBusy;
  // Before the API has said which message it is, there is nobody to stop.
  part("stop").disabled = !turn?.message.id;
  part("send").hidden = isBusy;
  part("log").ariaBusy = isBusy;
  part("earlier").hidden = !opened.earlier;
  part("model").disabled = Boolean(opened.conversation);
  for (const link of part("list").children) {
    link.ariaCurrent = link.hash === `#${opened.conversation?.id}` ? "page" : null;
  }
}

/** Change the log; who has read to its end goes on seeing its end. */
function keepingPlace(change) {
  const log = part("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  change();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function add(message) {
  const turn = new Turn(message);
  opened.turns.push(turn);
  keepingPlace(() => part("log").append(turn.node));
  return turn;
}

/** Have a turn hear its answer; `listen` is `say` or `resume`, but for these two arguments. */
async function hear(turn, listen) {
  const { conversation, leaving } = opened;
  const tell = (event) => {
    if (event.type === "waiting") return tellAll(`${event.data.detail} It goes on by itself.`, "waits");
    tellAll("");
    turn.take(event);
    turn.last = event.id;
    if (event.type === "message") refresh();
    // Words may come faster than anybody sees: once for each frame.
    frame ||= requestAnimationFrame(render);
  };
  const render = () => {
    frame = 0;
    keepingPlace(() => turn.render());
  };
  let frame = 0;
  refresh();
  try {
    await listen(tell, leaving.signal);
  } catch (error) {
    if (!turn.message.id) throw error;
    turn.take({ type: "problem", data: { detail: error.message } });
  }
  render();
  if (leaving.signal.aborted) return;
  // Its last event was heard before, and nothing was left to hear.
  if (turn.isStreaming) return show();
  refresh();
  await list();
  if (!conversation.title) attempt(() => lookForTitle(conversation.id));
}

async function list() {
  const { items } = await api.call("GET", "/v1/ai/conversations?limit=50");
  part("list").replaceChildren(...items.map(link));
  refresh();
}

function link({ id, title }) {
  const made = document.createElement("a");
  [made.href, made.textContent] = [`#${id}`, title ?? "Untitled"];
  return made;
}

/** The model gives it one, in a job, after the first answer. */
async function lookForTitle(id) {
  for (let look = 0; look < LOOKS_FOR_A_TITLE; look++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (opened.conversation?.id !== id) return;
    const { title } = await api.call("GET", path(id));
    if (title) return list();
  }
}

/** Show the conversation that the address names, and hear its answer if one is under way. */
async function show() {
  opened.leaving.abort();
  const shown = { conversation: null, turns: [], earlier: null, leaving: new AbortController() };
  opened = shown;
  part("log").replaceChildren();
  tellAll("");
  refresh();
  const id = location.hash.slice(1);
  if (!id) return part("words").focus();
  const conversation = await api.call("GET", path(id));
  const { items, next_cursor: earlier } = await messages(id);
  if (opened !== shown) return;
  Object.assign(shown, { conversation, earlier });
  offer(conversation.model);
  for (const message of items) add(message);
  refresh();
  const turn = streaming();
  if (turn) await goOn(turn);
  else if (!conversation.title) attempt(() => lookForTitle(id));
}

/** The latest of them, or those before; the last first, as they come. */
async function messages(id, cursor = "") {
  const query = new URLSearchParams({ order: "desc", limit: 50, ...(cursor && { cursor }) });
  const page = await api.call("GET", `${path(id)}/messages?${query}`);
  return { ...page, items: page.items.reverse() };
}

/** Hear the rest of an answer; what this tab had heard of it before it was reloaded is here still. */
function goOn(turn) {
  const { id } = turn.message;
  const heard = JSON.parse(sessionStorage.getItem(HEARD));
  sessionStorage.removeItem(HEARD);
  if (heard?.message === id) {
    const { content, reasoning, last } = heard;
    Object.assign(turn, { content, reasoning, last });
    keepingPlace(() => turn.render());
  }
  return hear(turn, (...rest) => resume(api, opened.conversation.id, id, turn.last ?? "", ...rest));
}

async function send(content) {
  const shown = opened;
  const wanted = { content };
  if (part("think").checked) wanted.parameters = { think: true };
  const asked = add({ role: "user", content });
  const turn = add({ role: "assistant", state: "streaming", model: part("model").value });
  part("words").value = "";
  part("log").scrollTop = part("log").scrollHeight;
  refresh();
  try {
    if (!shown.conversation) await begin(shown);
    if (opened === shown) await hear(turn, (...rest) => say(api, shown.conversation.id, wanted, ...rest));
  } catch (error) {
    if (opened === shown && !turn.message.id) takeBack(asked, turn);
    throw error;
  }
}

/** Nothing was said: the words are for the person to send again. */
function takeBack(asked, turn) {
  opened.turns.splice(-2);
  asked.node.remove();
  turn.node.remove();
  part("words").value = asked.content;
  refresh();
}

async function begin(shown) {
  shown.conversation = await api.call("POST", "/v1/ai/conversations", { model: part("model").value });
  if (opened !== shown) return;
  history.pushState(null, "", `#${shown.conversation.id}`);
  await list();
}

/** Put a model among those to choose from, and choose it. */
function offer(model) {
  const choice = part("model");
  if (![...choice.options].some((option) => option.value === model)) choice.add(new Option(model));
  choice.value = model;
}

part("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = part("words").value;
  if (content.trim() && !streaming()) attempt(() => send(content));
});

part("words").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  part("composer").requestSubmit();
});

part("stop").addEventListener("click", () =>
  attempt(() => stop(api, opened.conversation.id, streaming().message.id)),
);

part("earlier").addEventListener("click", () =>
  attempt(async () => {
    const shown = opened;
    const { items, next_cursor: earlier } = await messages(shown.conversation.id, shown.earlier);
    if (opened !== shown) return;
    const turns = items.map((message) => new Turn(message));
    shown.turns.unshift(...turns);
    shown.earlier = earlier;
    part("log").prepend(...turns.map((turn) => turn.node));
    refresh();
  }),
);

addEventListener("hashchange", () => attempt(show));

// Words and the id of the last of them are kept together: what comes after that id is what is missing.
addEventListener("pagehide", () => {
  const turn = streaming();
  if (!turn?.last) return;
  const { content, reasoning, last } = turn;
  sessionStorage.setItem(HEARD, JSON.stringify({ message: turn.message.id, content, reasoning, last }));
});

attempt(async () => {
  await signedIn(api, part("sign-in"));
  part("talk").hidden = false;
  await list();
  await Promise.all([attempt(show), attempt(models)]);
});

async function models() {
  const { data } = await api.call("GET", "/v1/ai/models");
  const chosen = part("model").value;
  part("model").replaceChildren(...data.map(({ id }) => new Option(id)));
  if (chosen) offer(chosen);
}
