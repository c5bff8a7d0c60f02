// Slack's own client posts a message into the lab, changes it, and is refused.
//
//     slack_client.mjs MODULES URL TOKEN CHANNEL
import assert from "node:assert";
import { createRequire } from "node:module";

const [modules, slackApiUrl, token, channel] = process.argv.slice(2);
const { LogLevel, WebClient } = createRequire(`${modules}/`)("@slack/web-api");
const options = { slackApiUrl, retryConfig: { retries: 0 }, logLevel: LogLevel.ERROR };
const slack = new WebClient(token, options);

const posted = await slack.chat.postMessage({ channel, text: "one", unfurl_links: false });
assert(posted.ok && posted.ts && posted.message.text === "one", JSON.stringify(posted));
const changed = await slack.chat.update({ channel: posted.channel, ts: posted.ts, text: "two" });
assert(changed.ok && changed.ts === posted.ts && changed.text === "two", JSON.stringify(changed));

const refused = async (call, error) => assert.rejects(call, (raised) => raised.data.error === error);
await refused(slack.chat.postMessage({ channel: "none", text: "x" }), "channel_not_found");
await refused(slack.chat.postMessage({ channel, text: "" }), "no_text");
await refused(slack.chat.update({ channel: posted.channel, ts: "1.000000", text: "x" }), "message_not_found");
await refused(new WebClient("xoxb-none", options).chat.postMessage({ channel, text: "x" }), "invalid_auth");
