import { element, getJson, show, when } from "./common.js";

const ADDRESS = /(https?:\/\/[^\s<>"]+)/;

// Addresses in a text become links; split keeps them at the odd places.
function linked(text) {
  return text.split(ADDRESS).map((part, place) =>
    place % 2 ? element("a", { href: part, target: "_blank", rel: "noreferrer" }, part) : part);
}

const { status, body: mail } = await getJson(`${location.pathname}/mail.json`);
if (status === 200) {
  document.title = `${mail.subject} · Lambkin`;
  document.getElementById("subject").textContent = mail.subject || "(no subject)";
  for (const [name, value] of [["From", mail.sender], ["To", mail.recipients.join(", ")], ["Sent", when(mail.arrived)]]) {
    document.getElementById("fields").append(element("dt", {}, name), element("dd", {}, value));
  }
  document.getElementById("html-section").hidden = !mail.has_html;
  if (mail.has_html) document.getElementById("html").src = `${location.pathname}/html`;
  document.getElementById("text-section").hidden = !mail.text;
  document.getElementById("text").replaceChildren(...linked(mail.text));
} else {
  show("trouble", mail.detail, "failed");
}
