import { element, getJson, show, when } from "./common.js";

const INTERVAL = 2_000;
let shown = null;

function mailRow(mail) {
  const link = element("a", { href: `/mailbox/${mail.id}` }, mail.subject || "(no subject)");
  return element("tr", {},
    element("th", { scope: "row" }, link),
    element("td", {}, mail.recipients.join(", ")),
    element("td", { class: "soft" }, when(mail.arrived)));
}

async function refresh() {
  const [{ body: mails }, { body: stack }] = await Promise.all([
    getJson("/_lambkin/mails.json"),
    getJson("/_lambkin/stack.json"),
  ]);
  const newest = mails[0]?.id ?? "";
  if (newest === shown) return;
  shown = newest;
  document.getElementById("empty").hidden = mails.length > 0;
  document.getElementById("list").hidden = mails.length === 0;
  document.getElementById("mails").replaceChildren(...mails.map(mailRow));
  if (!stack.mail_kept) show("empty", "Mail leaves through the service that AWS_ENDPOINT_URL names: it is not seen here.");
}

await refresh();
setInterval(() => refresh().catch(() => {}), INTERVAL);
