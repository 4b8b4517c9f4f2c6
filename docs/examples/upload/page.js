import { Api } from "../shared/api.js";
import { signedIn } from "../shared/sign-in.js";
import { attempt, say } from "../shared/status.js";
import { begin, resume } from "./upload.js";

const api = new Api(document.querySelector("meta[name=api]").content);
const part = (id) => document.getElementById(id);
const UNFINISHED = "unfinished-upload";

/** The upload that this browser has begun and not ended: `{ id, name, size }`, or null. */
const unfinished = {
  get: () => JSON.parse(localStorage.getItem(UNFINISHED)),
  set: ({ id, name, size }) => localStorage.setItem(UNFINISHED, JSON.stringify({ id, name, size })),
  forget: () => localStorage.removeItem(UNFINISHED),
};

function show(step) {
  for (const each of document.querySelectorAll("main > section")) each.hidden = each.id !== step;
}

async function askForFile() {
  const begun = unfinished.get();
  show("choose");
  part("give-up").hidden = !begun;
  part("begun").hidden = !begun;
  if (!begun) return say("");
  part("begun").textContent = `${begun.name} is not complete. Choose the same file again to go on.`;
  let upload;
  try {
    upload = await api.call("GET", `/v1/files/uploads/${begun.id}`);
  } catch (error) {
    if (error.code !== "no_upload") throw error;
  }
  if (upload?.state === "done") return present(upload.file);
  if (upload?.state !== "open") {
    unfinished.forget();
    return askForFile();
  }
  const { parts, part_count: count } = upload;
  part("begun").textContent =
    `Of ${begun.name}, ${parts.length} of ${count} parts have arrived. Choose the same file again to go on.`;
  say("");
}

async function send(file) {
  let begun = unfinished.get();
  if (begun && begun.size !== file.size) {
    return say(`That is not ${begun.name}: it has another size.`, "bad");
  }
  show("sending");
  part("name").textContent = `${file.name}, ${megabytes(file.size)}`;
  part("bar").removeAttribute("value");
  say("");
  if (!begun) unfinished.set((begun = await begin(api, file)));
  await present(await resume(api, file, begun.id, progress));
}

function progress({ arrived, parts, waits }) {
  if (waits) return say(`${waits} It goes on by itself.`, "waits");
  [part("bar").max, part("bar").value] = [parts, arrived];
  say(`${arrived} of ${parts} parts have arrived.`);
}

/** Wait until the file has been looked at, and show it: its colour at once, the picture when it is there. */
async function present(file) {
  say("All of it has arrived. It is being looked at …");
  while (file.state === "processing") file = await api.call("GET", `/v1/files/${file.id}?wait=10`);
  unfinished.forget();
  show("done");
  if (file.state === "rejected") return say(file.rejection.detail, "bad");
  const { image } = file;
  part("caption").textContent = [file.name, file.media_type, megabytes(file.size)]
    .concat(image ? `${image.width} × ${image.height}` : [])
    .join(" · ");
  part("picture").hidden = !image;
  if (image) await showPicture(file);
  say("");
}

async function showPicture({ id, name, image }) {
  const picture = part("picture");
  picture.style.backgroundColor = image.colours[0];
  [picture.width, picture.height, picture.alt] = [image.width, image.height, name];
  // An <img> sends no token: a signed link shows this picture, and nothing else, to whoever has it.
  const dpr = Math.min(3, Math.max(1, Math.round(devicePixelRatio * 2) / 2));
  const link = await api.call("POST", `/v1/files/${id}/image-links`, { w: 640, dpr, seconds: 3600 });
  picture.src = link.url;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}

part("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (!file) return;
  attempt(async () => {
    try {
      await send(file);
    } catch (error) {
      await attempt(askForFile);
      throw error;
    }
  });
});

part("give-up").addEventListener("click", () =>
  attempt(async () => {
    await api.call("DELETE", `/v1/files/uploads/${unfinished.get().id}`);
    unfinished.forget();
    await askForFile();
  }),
);

part("again").addEventListener("click", () => attempt(askForFile));

attempt(async () => {
  await signedIn(api, part("sign-in"));
  await askForFile();
});
