// Holds what was said to Slack and what the lab answered to the types that Slack publishes with its client: TypeScript's
// compiler says what is no argument, what no answer.
//
//     slack.mjs MODULES TRANSCRIPT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, transcript] = process.argv.slice(2);
const ts = createRequire(`${modules}/`)("typescript");

// The types of a method's arguments and of its answer.
const METHODS = {
  "chat.postMessage": ["ChatPostMessageArguments", "ChatPostMessageResponse"],
  "chat.update": ["ChatUpdateArguments", "ChatUpdateResponse"],
};

const exchanges = readFileSync(transcript, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line))
  .filter((exchange) => exchange.service === "slack");
const answered = new Set();
const problems = new Set();
// What stands in each line of the program that is compiled.
const told = [];
const lines = [];

function line(text, what) {
  lines.push(text);
  told.push(what);
}

function body({ headers, body }) {
  const kind = (headers.find(([name]) => name.toLowerCase() === "content-type") ?? [])[1] ?? "";
  return kind.startsWith("application/x-www-form-urlencoded")
    ? Object.fromEntries([...new URLSearchParams(body)].map(([name, value]) => [name, plain(value)]))
    : JSON.parse(body);
}

// A form has text alone.
function plain(value) {
  return value === "true" || value === "false" ? value === "true" : value;
}

line(`import type { ${Object.values(METHODS).flat().join(", ")} } from "@slack/web-api";`, "the types");
for (const { operation, request, response } of exchanges) {
  const types = METHODS[operation];
  if (!types) {
    problems.add(`${operation}: Slack's client has no such method here`);
    continue;
  }
  const asked = body(request);
  const answer = body(response);
  line(`export const asked${told.length}: ${types[0]} = ${JSON.stringify(asked)};`, `${operation} request`);
  line(`export const answer${told.length}: ${types[1]} = ${JSON.stringify(answer)};`, `${operation} answer`);
  if (answer.ok) {
    answered.add(`slack:${operation}`);
  } else if (typeof answer.error !== "string") {
    problems.add(`${operation} answer: neither ok nor an error`);
  }
}

const file = `${modules}/transcript.ts`;
const options = {
  ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022 },
  ...{ noEmit: true, skipLibCheck: true, strict: true, types: [] },
};
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists, readFile } = host;
host.fileExists = (path) => path === file || fileExists(path);
host.readFile = (path) => (path === file ? lines.join("\n") : readFile(path));
host.getSourceFile = (path, ...more) =>
  path === file ? ts.createSourceFile(path, lines.join("\n"), ts.ScriptTarget.ES2022) : getSourceFile(path, ...more);
const program = ts.createProgram([file], options, host);
const source = program.getSourceFile(file);
for (const diagnostic of [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]) {
  const at = source.getLineAndCharacterOfPosition(diagnostic.start).line;
  problems.add(`${told[at]}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, " ")}`);
}
console.log(JSON.stringify({ answered: [...answered].sort(), problems: [...problems], faults: [], known_faults: [] }));
