// An upload in parts that goes on after a lost connection, and after the page was closed.

import { ConnectionLost, Problem, pause, send } from "../shared/api.js";
import { crc64nvme } from "./crc64nvme.js";

const AT_A_TIME = 4;
const ATTEMPTS = 8; // in a row, without a part that arrived
const OFFLINE_SECONDS = 30; // The API may be on this machine: it is asked even then.
const PART_MILLISECONDS = 300_000;

/** Announce a file; what the API answers has its id. */
export function begin(api, file) {
  return api.call("POST", "/v1/files/uploads", { name: file.name, size: file.size, in_parts: true });
}

/**
 * Send what the bucket does not have yet, and make it a file, which is returned.
 *
 * `tell({ arrived, parts, waits })` is called as it goes on. Raises Problem where the API refuses,
 * ConnectionLost where it stays away.
 */
export async function resume(api, file, id, tell) {
  const checksums = new Map();
  for (let attempt = 1; ; attempt++) {
    try {
      const upload = await api.call("GET", `/v1/files/uploads/${id}`);
      if (upload.state === "done") return upload.file;
      await sendMissing(api, file, upload, checksums, (arrived) => {
        attempt = 0;
        tell({ arrived, parts: upload.part_count });
      });
      return await api.call("POST", `/v1/files/uploads/${id}/complete`, {});
    } catch (error) {
      if (!passes(error) || (attempt >= ATTEMPTS && navigator.onLine)) throw error;
      tell({ waits: error.message });
      await pause(navigator.onLine ? 2 ** attempt / 2 : OFFLINE_SECONDS);
    }
  }
}

async function sendMissing(api, file, upload, checksums, tell) {
  const { id, part_size: size, part_count: count } = upload;
  const there = new Map(upload.parts.map((part) => [part.number, part.crc64nvme]));
  const waiting = Array.from({ length: count }, (_, index) => index + 1);
  let arrived = 0;
  let failure = null;

  async function work() {
    // The order makes no difference. After a failure nothing new is begun, and what is under way may end.
    for (let number; !failure && (number = waiting.pop()); ) {
      try {
        const bytes = file.slice((number - 1) * size, number * size);
        if (!checksums.has(number)) checksums.set(number, await crc64nvme(bytes));
        const checksum = checksums.get(number);
        // A part of another file, chosen by mistake, has another checksum and is sent again.
        if (there.get(number) !== checksum) await sendPart(api, id, number, checksum, bytes);
        tell(++arrived);
      } catch (error) {
        failure ??= error;
      }
    }
  }

  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  if (failure) throw failure;
}

async function sendPart(api, id, number, checksum, bytes) {
  const wanted = { parts: [{ number, crc64nvme: checksum }] };
  const { parts } = await api.call("POST", `/v1/files/uploads/${id}/parts`, wanted);
  const { method, url, headers } = parts[0].request;
  // `Content-Length` is among the headers; the browser sends its own, which is the same.
  const signal = AbortSignal.timeout(PART_MILLISECONDS);
  const answer = await send(url, { method, headers, body: bytes, signal });
  if (!answer.ok) throw new Problem(answer.status, { code: "bucket", detail: `The bucket answered ${answer.status}.` });
}

/** Whether it may be better in a moment. The bucket's 403 is a request that slept for an hour: the next is fresh. */
function passes(error) {
  if (error instanceof ConnectionLost) return true;
  if (!(error instanceof Problem)) return false;
  return error.status >= 500 || error.status === 429 || error.code === "bucket" || error.code === "completion_in_flight";
}
