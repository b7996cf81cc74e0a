import { expect, it } from "vitest";
import { stanzas } from "../../../../agent/cli/find/stanza.ts";
import { loadedFrom } from "../../../support/loaded.ts";

const said = (host: string) => ({ kind: "shdr", keys: { host, port: 7878, map: { "{k}: #\n-\u0085": "execution", "on": "door" } }, where: host, comments: [`a\u2028- id: b\n\u001b[2J`], isSure: true });

it("whatever a device named, the stanza is a source with exactly that, under an id of its own", () => {
  const text = stanzas([said("fd00::31"), said("10.0.7.31"), said("10.0.7.31"), said("::1")]);
  const { machines } = loadedFrom(`destinations:\n  - {name: bridge, url: "mqtt://127.0.0.1:1883"}\n${text}`);
  expect(machines.map(({ id }) => id)).toEqual(["shdr-fd00-31", "shdr-10-0-7-31", "shdr-10-0-7-31-2", "shdr-1"]);
  expect(machines.flatMap(({ sources }) => sources.map(({ config }) => config))).toMatchObject(["fd00::31", "10.0.7.31", "10.0.7.31", "::1"].map((host) => ({ host, map: { "{k}: #\n-\u0085": { signal: "execution" }, on: { signal: "door" } } })));
  expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}|\u2028/u);
});
