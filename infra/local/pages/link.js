import { element, postJson, show } from "./common.js";

const PASSWORD = { name: "password", label: "New password", type: "password", autocomplete: "new-password" };
const ADDRESS = { name: "email", label: "Address", type: "email", autocomplete: "username" };
const PAGES = {
  "/verify-email": { title: "Verify your address", act: "Verify", path: "/v1/auth/verify-email" },
  "/forgot-password": {
    title: "Forgotten password", act: "Mail a link", path: "/v1/auth/password/forgot", fields: [ADDRESS], free: true,
  },
  "/reset-password": {
    title: "Set a new password", act: "Set it", path: "/v1/auth/password/reset", fields: [PASSWORD],
  },
  "/confirm-email": { title: "Confirm your new address", act: "Confirm", path: "/v1/auth/email/confirm" },
  "/undo-email-change": { title: "Take the account back", act: "Undo the change", path: "/v1/auth/email/undo" },
  "/accept-invitation": {
    title: "Accept the invitation", act: "Accept", path: "/v1/auth/invitations/accept", fields: [PASSWORD],
  },
  "/undo-deletion": { title: "Keep the account", act: "Undo the deletion", path: "/v1/users/undo-deletion" },
};

const page = PAGES[location.pathname];
const token = new URLSearchParams(location.search).get("token") ?? "";
const form = document.getElementById("form");
const act = document.getElementById("act");

document.title = `${page.title} · Lambkin`;
document.getElementById("title").textContent = page.title;
document.getElementById("operation").textContent = `POST ${page.path}`;
act.textContent = page.act;
for (const { label, ...attributes } of page.fields ?? []) {
  act.before(element("label", {}, `${label} `, element("input", { ...attributes, required: "" })));
}

if (page.free) {
  // Nothing to spend: the form is all.
} else if (!token) {
  act.disabled = true;
  show("outcome", "This link has no token. Open it from the mailbox.", "failed");
} else {
  // Neither the history nor a later page is to know the token.
  history.replaceState(null, "", location.pathname);
}

// The button, and not the page, spends the token: whatever only opens links spends nothing.
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  act.disabled = true;
  const fields = Object.fromEntries(new FormData(form));
  const { ok, body } = await postJson(page.path, page.free ? fields : { token, ...fields });
  const detail = body.errors?.[0]?.detail ?? body.detail;
  show("outcome", ok ? body.message : detail, ok ? "ok" : "failed");
  act.disabled = ok;
  document.getElementById("next").hidden = !ok;
});
