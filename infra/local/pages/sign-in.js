import { postJson, show } from "./common.js";

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  const { ok, body } = await postJson("/v1/auth/login", fields);
  show("outcome", ok ? "Signed in: the answer holds an access token and a refresh token." : body.detail, ok ? "ok" : "failed");
});
