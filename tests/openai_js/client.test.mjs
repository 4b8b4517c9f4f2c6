// OpenAI's own JavaScript package works with a base URL and one of our API keys, and nothing else.
// test_openai_js.py starts what answers here, and says where by LAMBKIN_URL and LAMBKIN_KEY.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const baseURL = `${process.env.LAMBKIN_URL}/v1/ai`;
const client = new OpenAI({ baseURL, apiKey: process.env.LAMBKIN_KEY, maxRetries: 0 });
const asking = (content, more = {}) => ({ model: "tiny", messages: [{ role: "user", content }], ...more });
const City = z.object({ city: z.string(), people: z.number().int() });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const weather = { type: "function", function: { name: "weather", parameters } };
const OSLO = '{"city": "Oslo", "people": 700000}';

test("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes("tiny:1b"));
  assert.equal((await client.models.retrieve("ada/poet:3b")).owned_by, "ada");
});

test("a chat", async () => {
  const answer = await client.chat.completions.create(asking("say 3", { n: 2, reasoning_effort: "low" }));
  assert.deepEqual(answer.choices.map((each) => each.message.content), ["w0 w1 w2 ", "w0 w1 w2 "]);
  assert.equal(answer.choices[0].message.reasoning, "Hm.");
  assert.equal(answer.usage.completion_tokens, 6);
  assert.ok(answer._request_id);
});

test("a stream", async () => {
  const stream = await client.chat.completions.create(
    asking("say 3", { stream: true, stream_options: { include_usage: true } }),
  );
  let said = "";
  let last;
  for await (last of stream) said += last.choices[0]?.delta?.content ?? "";
  assert.equal(said, "w0 w1 w2 ");
  assert.equal(last.usage.total_tokens, 10);
});

test("a stream by its helper, gathered", async () => {
  const stream = client.chat.completions.stream(asking("say 3"));
  const deltas = [];
  stream.on("content", (delta) => deltas.push(delta));
  const answer = await stream.finalChatCompletion();
  assert.equal(deltas.join(""), "w0 w1 w2 ");
  assert.equal(answer.choices[0].message.content, "w0 w1 w2 ");
});

test("tools that it runs by itself, whole and streamed", async () => {
  for (const stream of [false, true]) {
    const calls = [];
    const tool = {
      type: "function",
      function: {
        name: "weather",
        parameters,
        parse: JSON.parse,
        function: ({ city }) => {
          calls.push(city);
          return "rain";
        },
      },
    };
    const runner = client.chat.completions.runTools(asking('call weather {"city": "Oslo"}', { tools: [tool], stream }));
    assert.equal(await runner.finalContent(), "weather gave rain");
    assert.deepEqual(calls, ["Oslo"]);
  }
});

test("calls in a stream, gathered", async () => {
  const stream = client.chat.completions.stream(asking('call weather {"city": "Oslo"}', { tools: [weather] }));
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.equal(choice.finish_reason, "tool_calls");
  assert.deepEqual(JSON.parse(choice.message.tool_calls[0].function.arguments), { city: "Oslo" });
});

test("answers of a schema, parsed, whole and streamed", async () => {
  const wanted = asking(`echo no JSON || ${OSLO}`, { response_format: zodResponseFormat(City, "place") });
  const answer = await client.chat.completions.parse(wanted);
  assert.deepEqual(answer.choices[0].message.parsed, { city: "Oslo", people: 700000 });
  // And its message may go back as it came.
  const again = { ...wanted, messages: [...wanted.messages, answer.choices[0].message, { role: "user", content: "again" }] };
  assert.equal((await client.chat.completions.parse(again)).choices[0].message.parsed.city, "Oslo");
  const streamed = await client.chat.completions.stream(wanted).finalChatCompletion();
  assert.equal(streamed.choices[0].message.parsed.city, "Oslo");
});

test("pictures", async () => {
  const url = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=";
  const content = [{ type: "text", text: "say 1" }, { type: "image_url", image_url: { url } }];
  assert.equal((await client.chat.completions.create(asking(content))).choices[0].message.content, "w0 ");
});

test("embeddings", async () => {
  const { data } = await client.embeddings.create({ model: "vectors", input: ["one", "two"], dimensions: 2 });
  assert.deepEqual(data.map((each) => each.embedding.length), [2, 2]);
  assert.ok(Math.abs(Math.hypot(...data[0].embedding) - 1) < 1e-5);
});

test("errors are its own classes", async () => {
  const cases = [
    ["nobody", OpenAI.NotFoundError, "model_not_found"],
    ["refusing", OpenAI.BadRequestError, "model_refused"],
    ["crashed", OpenAI.InternalServerError, "model_failed"],
  ];
  for (const [model, kind, code] of cases) {
    await assert.rejects(client.chat.completions.create(asking("hello", { model })), (error) => {
      assert.ok(error instanceof kind);
      assert.equal(error.code, code);
      assert.ok(error.requestID);
      return true;
    });
  }
  const stranger = client.withOptions({ apiKey: "lk_nobody" });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(client.chat.completions.create(asking("", { messages: [] })), (error) => {
    assert.ok(error instanceof OpenAI.UnprocessableEntityError);
    assert.equal(error.param, "messages");
    return true;
  });
});

test("a fault in mid-stream is thrown there", async () => {
  const stream = await client.chat.completions.create(asking("say 9", { model: "error-line", stream: true }));
  let said = "";
  await assert.rejects(
    async () => {
      for await (const chunk of stream) said += chunk.choices[0]?.delta?.content ?? "";
    },
    (error) => error instanceof OpenAI.APIError && error.code === "model_failed",
  );
  assert.equal(said, "w0 w1 ");
});

test("who stops listening ends the stream", async () => {
  const stream = await client.chat.completions.create(asking("stop me", { model: "endless", stream: true }));
  let chunks = 0;
  for await (const _ of stream) {
    chunks += 1;
    if (chunks === 5) break;
  }
  const aborting = new AbortController();
  const answer = client.chat.completions.create(asking("abort me", { model: "endless" }), { signal: aborting.signal });
  setTimeout(() => aborting.abort(), 300);
  await assert.rejects(answer, OpenAI.APIUserAbortError);
});
