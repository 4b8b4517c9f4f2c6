// Small pieces that every page uses. Text only ever enters the page as text.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export async function getJson(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  return { status: answer.status, body: await answer.json() };
}

export async function postJson(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { ok: answer.ok, body: text ? JSON.parse(text) : {} };
}

export function when(moment) {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function show(id, text, kind) {
  const place = document.getElementById(id);
  place.textContent = text;
  place.hidden = false;
  if (kind) place.className = `notice ${kind}`;
}
