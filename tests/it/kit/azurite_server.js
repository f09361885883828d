// Azurite's blob server on a free loopback port, which it prints; it ends when its standard input does.
// The test process holds the other end of that pipe, so the server ends with it, however the test process ends.
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
require(process.env.NODE_TOOLS + "/node_modules/azurite/dist/src/blob/main.js");
