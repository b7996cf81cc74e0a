/**
 * Where the built program begins: turns V8's compile cache on before anything large is loaded, since what is loaded
 * earlier is compiled anew at each start. The cache lies in the state directory where there is one; it saves memory and
 * start-up time (runtime.md §2). The buffer's check of a whole file (buffer/damage/quick-check.ts) starts here too, without
 * loading the agent.
 */
const state = process.env["STATE_DIRECTORY"] ?? process.env["CELLGATE_CACHE"];
if (state !== undefined) process.getBuiltinModule("node:module").enableCompileCache(`${state}/compile-cache`);
const [, , word, path] = process.argv;
if (word === "check-database" && path !== undefined) {
  const { checkDatabase } = await import("../buffer/damage/check-database.ts");
  process.stdout.write(`${JSON.stringify(checkDatabase(path))}\n`);
} else await import("./main.ts");
