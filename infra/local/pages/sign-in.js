import { element, postJson, show, when } from "./common.js";

let accessToken = "";

const form = document.getElementById("form");
const inside = document.getElementById("inside");

async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { ok: answer.ok, body: text ? JSON.parse(text) : {} };
}

async function list() {
  const { body } = await call("GET", "/v1/auth/sessions");
  document.getElementById("sessions").replaceChildren(
    ...body.items.map((session) => {
      const line = element("li", {}, `${session.device}, ${session.last_address}, last seen ${when(session.last_seen_at)}`);
      if (session.current) line.append(" (this one)");
      return line;
    }),
  );
}

async function enter(tokens) {
  accessToken = tokens.access_token;
  form.hidden = true;
  inside.hidden = false;
  document.getElementById("title").textContent = "Signed in";
  await list();
}

function leave(text, kind) {
  accessToken = "";
  form.hidden = false;
  inside.hidden = true;
  document.getElementById("title").textContent = "Sign in";
  if (text) show("outcome", text, kind);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { ok, body } = await postJson("/v1/auth/login", { ...Object.fromEntries(new FormData(form)), cookie: true });
  if (!ok) return leave(body.detail, "failed");
  document.getElementById("outcome").hidden = true;
  await enter(body);
});

document.getElementById("others").addEventListener("click", async () => {
  await call("POST", "/v1/auth/logout", { scope: "others" });
  await list();
});

document.getElementById("out").addEventListener("click", async () => {
  await call("POST", "/v1/auth/logout");
  leave("Signed out.", "ok");
});

// A page that is loaded anew has lost its access token, and gets the next one with the cookie.
const { ok, body } = await postJson("/v1/auth/refresh", undefined);
if (ok) await enter(body);
else leave();
