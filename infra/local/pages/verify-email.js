import { postJson, show } from "./common.js";

// The button, and not the page, spends the token: whatever only opens links spends nothing.
const button = document.getElementById("verify");
const token = new URLSearchParams(location.search).get("token") ?? "";

if (!token) {
  button.disabled = true;
  show("outcome", "This link has no token. Open it from the mailbox.", "failed");
}

button.addEventListener("click", async () => {
  button.disabled = true;
  const { ok, body } = await postJson("/v1/auth/verify-email", { token });
  show("outcome", ok ? "Verified. You can sign in now." : body.detail, ok ? "ok" : "failed");
  document.getElementById("next").hidden = !ok;
});
