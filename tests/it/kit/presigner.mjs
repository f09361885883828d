// Presigns links with the AWS SDK for JavaScript, and reads answers to its own requests: one process for many of each.
//
// The arguments are a folder that holds node_modules, and a file with the same JSON object that presigner.py takes; `operation` is the
// name of a command. Out comes a JSON object with `urls` and `errors`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Readable } from "node:stream";

const [tools, file] = process.argv.slice(2);
const require = createRequire(join(tools, "presigner.js"));
const s3 = require("@aws-sdk/client-s3");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const wish = JSON.parse(readFileSync(file, "utf8"));
const settings = {
  endpoint: wish.endpoint,
  region: wish.region,
  forcePathStyle: wish.addressing === "path",
  credentials: { accessKeyId: wish.id, secretAccessKey: wish.secret, ...(wish.token && { sessionToken: wish.token }) },
  maxAttempts: 1,
};
const client = new s3.S3Client(settings);
const urls = [];
for (const link of wish.links) {
  const command = new s3[link.operation]({ Bucket: link.bucket, Key: link.key, ...link.more });
  urls.push(await getSignedUrl(client, command, { expiresIn: link.expires }));
}
const errors = [];
for (const answer of wish.answers) {
  const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const response = { statusCode: answer.status, headers, body: Readable.from([Buffer.from(answer.body)]) };
  const requestHandler = { handle: async () => ({ response }) };
  const told = new s3.S3Client({ ...settings, requestHandler });
  try {
    await told.send(new s3.GetObjectCommand({ Bucket: "media", Key: "a.txt" }));
    errors.push(null);
  } catch (error) {
    errors.push([error.$metadata?.httpStatusCode ?? null, error.name, error.message]);
  }
}
process.stdout.write(JSON.stringify({ urls, errors }));
