import { element, getJson, show } from "./common.js";

const INTERVAL = 15_000;

function row(name, state, label, note) {
  return element("tr", {},
    element("th", { scope: "row" }, name),
    element("td", {}, element("span", { class: `state ${state}` }, label)),
    element("td", { class: "soft" }, note));
}

function probeRow(probe) {
  const ok = probe.state === "ok";
  const note = ok ? `answered in ${probe.latency_ms} ms` : `${probe.detail} ${probe.hint}`;
  return row(probe.name, ok ? "ok" : "failed", ok ? "works" : "does not work", note);
}

function functionRows(stack, probes) {
  return stack.functions.map((name) => {
    if (stack.broken[name]) return row(name, "failed", "cannot be imported", stack.broken[name]);
    const probe = probes.find((candidate) => candidate.name === name);
    if (probe) return probeRow(probe);
    return row(name, "ok", "serves", `under /v1/${name}`);
  });
}

function partRow(probe, stack) {
  if (probe.name === "ollama" && probe.state !== "ok") {
    return row("Ollama", "degraded", "not there", `${stack.ollama_advice} Only AI needs it.`);
  }
  return probeRow(probe);
}

function accountRow(account) {
  return element("tr", {},
    element("th", { scope: "row" }, account.role),
    element("td", { class: "mono" }, account.email));
}

function example() {
  const body = JSON.stringify({ email: "you@lambkin.example", password: "correct horse battery staple" });
  return `curl -i ${location.origin}/v1/auth/register -H 'Content-Type: application/json' \\\n  -d '${body}'`;
}

async function refresh() {
  try {
    const [{ body: stack }, { body: health }] = await Promise.all([
      getJson("/_lambkin/stack.json"),
      getJson("/v1/health/ready"),
    ]);
    const probes = health.functions ?? [];
    const over = stack.transport === "lambda" ? "each request crosses as a Lambda event" : "all functions in one process";
    const failed = [...probes, ...(health.probes ?? [])].filter((probe) => probe.state !== "ok");
    const onlyAi = failed.length === 1 && failed[0].name === "ollama";
    const words = { ok: "Everything works", degraded: onlyAi ? "Everything works but AI" : "Some of it does not work" };
    const word = words[health.state] ?? "It does not work";
    document.getElementById("lead").textContent = `${word}; ${over}.`;
    document.getElementById("trouble").hidden = true;
    document.getElementById("functions").replaceChildren(...functionRows(stack, probes));
    document.getElementById("parts").replaceChildren(...(health.probes ?? []).map((probe) => partRow(probe, stack)));
    const accounts = stack.demo;
    document.getElementById("accounts-section").hidden = accounts.length === 0;
    document.getElementById("accounts").replaceChildren(...accounts.map(accountRow));
    document.getElementById("try").textContent = example();
  } catch {
    show("trouble", "The stack does not answer. Is `lambkin up` still running?", "failed");
  }
}

await refresh();
// Nobody looks at a hidden page, and each look is a line in the log.
setInterval(() => document.hidden || refresh(), INTERVAL);
