// Validates the GraphQL exchanges in a transcript of the lab against GitHub's published schema: what was asked has to be
// valid by it, and the answer what the schema gives for that.
//
//     graphql.mjs MODULES TRANSCRIPT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, transcript] = process.argv.slice(2);
const { buildSchema, graphqlSync, parse, validate } = createRequire(`${modules}/`)("graphql");

// It defines a field twice, which is of no account here.
const github = buildSchema(readFileSync(`${modules}/@octokit/graphql-schema/schema.graphql`, "utf8"), { assumeValid: true });
const answered = new Set();
const problems = new Set();

function check({ request, response }) {
  const { query, variables } = JSON.parse(request.body);
  const wrong = validate(github, parse(query)).map((error) => error.message);
  if (wrong.length) {
    return wrong.map((message) => `request: ${message}`);
  }
  if (response.status !== 200) {
    return [];
  }
  const answer = JSON.parse(response.body);
  if (answer.errors) {
    return [];
  }
  // The schema's own answer to the question, of the values that were answered.
  const wanted = graphqlSync({ schema: github, source: query, rootValue: answer.data, variableValues: variables });
  if (wanted.errors) {
    return wanted.errors.map((error) => `answer: ${error.message}`);
  }
  if (JSON.stringify(wanted.data) !== JSON.stringify(answer.data)) {
    return [`answer: ${JSON.stringify(answer.data)} instead of ${JSON.stringify(wanted.data)}`];
  }
  answered.add("github:graphql");
  return [];
}

for (const line of readFileSync(transcript, "utf8").split("\n").filter(Boolean)) {
  const exchange = JSON.parse(line);
  if (exchange.service === "github" && exchange.operation === "graphql") {
    check(exchange).forEach((problem) => problems.add(problem));
  }
}
console.log(JSON.stringify({ answered: [...answered], problems: [...problems], faults: [], known_faults: [] }));
