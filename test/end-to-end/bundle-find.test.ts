/** `cellgate probe` and `cellgate discover` as they are shipped: the built program, real sockets, a real Ctrl-C. */
import { expect, it } from "vitest";
import { cellgateFolder, shop, stranger } from "../agent/cli/find/shop.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";

it("the built program finds and probes controls of every kind, and ends with Ctrl-C", async () => {
  using own = cellgateFolder();
  await using all = await shop();
  await using silent = await stranger();
  const [bundle, file] = [await builtBundle(), own.configuration()];
  const list = Object.entries(all.targets).map(([kind, at]) => `${kind}@${at}`);
  await using finding = runBundle(bundle, ["discover", [...list, `opcua@127.0.0.1:${silent.port}`].join(","), "--config", file, "--timeout", "60000", "--rate", "100"]);
  await finding.until((_, err) => list.every((target) => err.includes(target.replace("@", " at "))) && silent.open === 1);
  expect(await finding.kill("SIGINT")).toEqual({ code: 1, signal: null });
  expect(finding.err()).toContain("stopped by SIGINT");
  for (const kind of Object.keys(all.targets)) expect(finding.out()).toContain(`- type: ${kind}\n`);
  await using probing = runBundle(bundle, ["probe", "focas", all.targets["focas"] ?? "", "--config", file, "--seconds", "0.5"]);
  expect(await probing.ended).toEqual({ code: 0, signal: null });
  expect(probing.out()).toMatch(/FANUC 31i-B M[\s\S]*execution +READY/);
  expect(probing.err()).toBe("");
});
