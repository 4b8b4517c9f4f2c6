import { attempt, say } from "./status.js";

/** Wait until somebody is signed in: by the cookie of an earlier time, or by the form in `section`. */
export async function signedIn(api, section) {
  if (await api.isSignedIn()) return;
  section.hidden = false;
  await new Promise((resolve) =>
    section.addEventListener("submit", (event) => {
      event.preventDefault();
      const { email, password } = event.target.elements;
      attempt(async () => {
        await api.signIn(email.value, password.value);
        say("");
        resolve();
      });
    }),
  );
  section.hidden = true;
}
